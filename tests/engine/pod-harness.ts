// Pods for the engine's tests: manifests of the guest image, and `berth-engine` as users run it, against a test's own engine.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ApiClient } from '@berth/engine-daemon/commands/api-client.ts';
import type { PodDescription } from '@berth/engine-daemon/pods/describe-pod.ts';
import { type CliResult, eventually, type TestEngine } from './engine-harness.ts';

const main = resolve(import.meta.dirname, '../../engine-native/daemon/main.ts');

export async function berthEngine(engine: TestEngine, args: string[], input?: string): Promise<CliResult> {
  const options = {
    env: {
      PATH: process.env['PATH'],
      BERTH_ENGINE_SOCKET: engine.socketPath,
      BERTH_ENGINE_ROOT: engine.root,
    },
    timeout: 30_000,
  };
  const work = promisify(execFile)(process.execPath, [main, ...args], options);
  work.child.stdin?.on('error', () => {}); // a command that needs no input may end before it is given any
  work.child.stdin?.end(input ?? '');
  try {
    return { code: 0, ...(await work) };
  } catch (error) {
    const failed = error as { code?: number; stdout?: string; stderr?: string };
    return { code: failed.code ?? -1, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

export interface PodInput {
  name: string;
  spec: Record<string, unknown>;
  metadata?: Record<string, unknown>;
}

/** JSON is YAML, too. */
export function manifest({ name, spec, metadata = {} }: PodInput): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec });
}

/** A container of the guest image; its steps are the arguments. */
export function guest(
  name: string,
  steps: string[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { name, image: 'guest', imagePullPolicy: 'Never', command: ['/guest'], args: steps, ...more };
}

/** The same with the network guest. */
export function net(
  name: string,
  args: string[],
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { ...guest(name, args, more), command: ['/net'] };
}

export async function play(engine: TestEngine, pod: PodInput, ...options: string[]): Promise<CliResult> {
  const file = join(engine.dir, `${pod.name}.yaml`);
  writeFileSync(file, manifest(pod));
  return berthEngine(engine, ['play', file, ...options]);
}

export function inspectPod(engine: TestEngine, name: string): Promise<PodDescription> {
  return new ApiClient(engine.socketPath).call('GET', `/berth/pods/${name}`);
}

export async function becomes(
  engine: TestEngine,
  name: string,
  claim: string,
  holds: (pod: PodDescription) => boolean,
): Promise<PodDescription> {
  let seen = await inspectPod(engine, name);
  await eventually(`pod ${name}: ${claim}`, async () => {
    seen = await inspectPod(engine, name);
    return holds(seen);
  });
  return seen;
}

export async function remove(engine: TestEngine, name: string): Promise<void> {
  await new ApiClient(engine.socketPath).call('DELETE', `/berth/pods/${name}?force=1&t=0`);
}
