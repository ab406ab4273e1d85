// Pods for the engine's tests: manifests of the guest image, and `berth-engine` as users run it, against a test's own engine.
import { execFile } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
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

const limitMs = 30_000; // probes and back-offs take seconds, and other tests may keep the machine busy

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

/** As play does it, without a program for each. */
export async function run(engine: TestEngine, pod: PodInput): Promise<void> {
  const client = new ApiClient(engine.socketPath);
  await client.call('POST', '/berth/pods', JSON.parse(manifest(pod)));
  await client.call('GET', `/berth/pods/${pod.name}/wait?condition=started`);
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
  await eventually(
    `pod ${name}: ${claim}`,
    async () => {
      seen = await inspectPod(engine, name);
      return holds(seen);
    },
    limitMs,
  );
  return seen;
}

export async function remove(engine: TestEngine, name: string): Promise<void> {
  await new ApiClient(engine.socketPath).call('DELETE', `/berth/pods/${name}?force=1&t=0`);
}

export async function pidOf(engine: TestEngine, container: string): Promise<number> {
  const { stdout } = await engine.docker(['inspect', '-f', '{{.State.Pid}}', container]);
  return Number(stdout);
}

export async function namespacesOf(
  engine: TestEngine,
  containers: string[],
  kind: string,
): Promise<string[]> {
  const pids = await Promise.all(containers.map((one) => pidOf(engine, one)));
  return pids.map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function linesOf(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '');
}

/** Containers and volumes that docker knows of a pod. */
export async function leftOf(engine: TestEngine, pod: string): Promise<string[]> {
  const filter = ['--filter', `label=berth.pod=${pod}`];
  const all = [
    await engine.docker(['ps', '-aq', ...filter]),
    await engine.docker(['volume', 'ls', '-q', ...filter]),
  ];
  return all.flatMap(({ stdout }) => linesOf(stdout));
}

export async function runningOf(engine: TestEngine, pod: string): Promise<string[]> {
  return linesOf((await engine.docker(['ps', '-q', '--filter', `label=berth.pod=${pod}`])).stdout);
}

export async function logOf(engine: TestEngine, pod: string, container: string): Promise<string> {
  return (await berthEngine(engine, ['pod', 'logs', pod, container])).stdout;
}
