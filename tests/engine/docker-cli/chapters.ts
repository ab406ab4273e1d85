// The walk in order: each chapter leaves the engine as it found it. A new step belongs to the chapter of its command.
import { build } from './chapters/build.ts';
import { containers } from './chapters/containers.ts';
import { exec } from './chapters/exec.ts';
import { images } from './chapters/images.ts';
import { networks } from './chapters/networks.ts';
import { run } from './chapters/run.ts';
import { runLimits } from './chapters/run-limits.ts';
import { streams } from './chapters/streams.ts';
import { system } from './chapters/system.ts';
import { terminal } from './chapters/terminal.ts';
import { volumes } from './chapters/volumes.ts';
import { wrongInput } from './chapters/wrong-input.ts';
import type { Step } from './step.ts';

export const chapters: Record<string, Step[]> = {
  'system: version, info, df, login, what is not supported': system,
  'run: a container and its options': run,
  'run: limits and privileges': runLimits,
  'containers: create, start, stop, ps, inspect and what else happens to one': containers,
  'exec: programs in a container that runs': exec,
  'streams: logs, attach, stdin, cp': streams,
  'terminal: run -it, exec -it, detach keys, window sizes': terminal,
  'images: ls, tag, rmi, history, save, load, import, commit': images,
  'build: the classic builder': build,
  'volumes: create, use, rm, prune': volumes,
  'networks: create, connect, publish, rm': networks,
  'wrong input: refused with a sentence': wrongInput,
};

export const steps: Step[] = Object.values(chapters).flat();
