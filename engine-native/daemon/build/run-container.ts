// One RUN in a container of its own: made on the stage's layers, followed live, its writable folder adopted as a layer. Always removed.
// Must never outlive its build: the label lets the next start of the daemon remove what a crash left.
import { chownSync } from 'node:fs';
import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { AppError } from '@berth/kit/errors.ts';
import { commitLayer } from '../containers/commit-container.ts';
import type { Container } from '../containers/container.ts';
import { createContainer } from '../containers/create-container.ts';
import { parseCreate } from '../containers/parse-create.ts';
import { removeContainer } from '../containers/remove-container.ts';
import { startContainer } from '../containers/start-container.ts';
import { killContainerNow } from '../containers/stop-container.ts';
import type { TextSink } from './build-output.ts';
import type { StepPlace } from './build-run.ts';
import { buildStepLabel } from './build-step-label.ts';
import type { ReadyMounts } from './run-mounts.ts';

export interface RunRequest {
  argv: string[];
  env: string[];
  network: string;
  mounts: ReadyMounts;
  /** As the error names it. */
  shown: string;
}

const headerBytes = 8;

/** Runs it to its end; the digest of the layer it made. */
export async function runContainer(place: StepPlace, request: RunRequest): Promise<string> {
  const { run, log } = place;
  const { parts } = run;
  const container = await create(place, request);
  const name = container.id.slice(0, 12);
  try {
    giveSecrets(container, request.mounts);
    await log.write(` ---> Running in ${name}\n`);
    const exitCode = await execute(place, container);
    run.signal.throwIfAborted();
    if (exitCode !== 0) throw new RunFailure(request.shown, exitCode);
    const { diffId } = await commitLayer(container, parts, { exclude: [] });
    run.hold([diffId]);
    return diffId;
  } finally {
    if (!run.options.keepContainers) {
      await removeContainer(container, parts, { force: true, volumes: true });
      await log.write(`Removing intermediate container ${name}\n`);
    }
  }
}

export class RunFailure extends AppError {
  readonly exitCode: number;

  constructor(shown: string, exitCode: number) {
    super('build_failed', `The command '${shown}' returned a non-zero code: ${exitCode}`);
    this.exitCode = exitCode;
  }
}

function create({ run, state }: StepPlace, request: RunRequest): Promise<Container> {
  const parsed = parseCreate({
    Image: '',
    Cmd: request.argv,
    Entrypoint: [],
    Env: request.env,
    Labels: { [buildStepLabel]: run.id },
    HostConfig: {
      ...run.options.limits,
      NetworkMode: request.network,
      Mounts: request.mounts.Mounts,
      Binds: request.mounts.Binds,
      LogConfig: { Type: 'none' },
    },
  });
  const { config } = state;
  return createContainer(parsed, '', run.parts, {
    id: '',
    layers: state.layers,
    // What the image says about running it is not for its build steps.
    defaults: {
      ...config,
      Entrypoint: null,
      Cmd: null,
      Volumes: {},
      ExposedPorts: {},
      Labels: {},
      OnBuild: [],
      Healthcheck: null,
      StopSignal: '',
    },
  });
}

function giveSecrets(container: Container, { secretFiles }: ReadyMounts): void {
  const base = container.record.usernsBase ?? 0;
  for (const { path, uid, gid } of secretFiles) chownSync(path, base + uid, base + gid);
}

async function execute({ run, log }: StepPlace, container: Container): Promise<number> {
  const { parts, signal } = run;
  // Asked for before the start, so that not a byte is missed; refused when the start fails.
  const attached = container.attach({ stdin: false, stdout: true, stderr: true, stdinOnce: false });
  const output = attached.then((socket) => copyOutput(socket, log)).catch(() => {});
  const ended = container.wait('next-exit');
  const stop = () => void killContainerNow(container, parts).catch(() => {});
  try {
    await startContainer(container, parts);
  } catch (error) {
    await output;
    throw startFailure(error, container);
  }
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const { exitCode } = await ended;
    await output;
    return exitCode;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** 126 and 127 are the command's own fault, and said as such. */
function startFailure(error: unknown, container: Container): unknown {
  const { exitCode, error: why } = container.record.life;
  if (exitCode !== 126 && exitCode !== 127) return error;
  return new AppError('build_failed', why === '' ? 'the command cannot be started' : why, { cause: error });
}

async function copyOutput(socket: Socket, log: TextSink): Promise<void> {
  const decoders = [new StringDecoder('utf8'), new StringDecoder('utf8'), new StringDecoder('utf8')];
  let pending: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      let text = '';
      while (pending.length >= headerBytes) {
        const end = headerBytes + pending.readUInt32BE(4);
        if (pending.length < end) break;
        text += decoders[pending[0] ?? 1]?.write(pending.subarray(headerBytes, end)) ?? '';
        pending = pending.subarray(end);
      }
      if (text !== '') await log.write(text);
    }
  } finally {
    socket.destroy();
  }
}
