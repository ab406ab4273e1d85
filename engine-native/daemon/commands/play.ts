// `berth-engine play`: runs the pods of a Kubernetes manifest, and stops them again with --down.
// Exit codes: 0, or with --wait that of the first container that failed; 125 when a pod could not be started; 1 for everything else.
import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { readEngineConfig } from '../config.ts';
import type { PodDescription } from '../pods/describe-pod.ts';
import type { Manifest } from '../pods/read-manifests.ts';
import { ApiClient } from './api-client.ts';
import type { Command, Input } from './command.ts';
import { text } from './command.ts';

const notStarted = 125;

export const play: Command = {
  summary: 'run the pods of a Kubernetes manifest (v1 Pod); - reads it from stdin',
  usage: 'FILE | --down FILE|NAME',
  options: {
    down: { type: 'boolean', about: 'stop and remove the pods instead' },
    replace: { type: 'boolean', about: 'remove pods of the same names first' },
    wait: { type: 'boolean', about: 'stay until they end, then remove them; so does Ctrl-C' },
    detach: { type: 'boolean', short: 'd', about: 'return when they are started (what it does anyway)' },
    network: { type: 'string', value: 'NAME', about: 'the network they are on (bridge)' },
    time: { type: 'string', value: 'SECONDS', about: "time to stop in, instead of the manifest's" },
    'allow-host-path': { type: 'boolean', about: 'let hostPath volumes show folders of this host' },
    'allow-privileged': { type: 'boolean', about: 'let containers be privileged' },
    socket: { type: 'string', value: 'FILE', about: 'the API of the engine (/run/berth/engine.sock)' },
  },
  positionals: [1, 1],
  async run(input) {
    const client = clientOf(input);
    const [source = ''] = input.args;
    if (input.options['wait'] === true && input.options['detach'] === true)
      throw new AppError('bad_request', '"--wait" and "--detach" exclude each other');
    if (input.options['down'] === true) return down(source, input, client);
    const manifests = await read(source, input);
    process.exitCode = await up(manifests, input, client);
  },
};

/** The settings are those of the daemon, so that both find the same socket. */
export function clientOf(input: Input): ApiClient {
  const socket = text(input, 'socket');
  return new ApiClient(
    readEngineConfig(socket === undefined ? {} : { BERTH_ENGINE_SOCKET: socket }).socketPath,
  );
}

async function read(source: string, input: Input): Promise<Manifest[]> {
  const { readManifests } = await import('../pods/read-manifests.ts');
  return readManifests(await contentOf(source), source === '-' ? 'stdin' : source, {
    hostPath: input.options['allow-host-path'] === true,
    privileged: input.options['allow-privileged'] === true,
  });
}

async function contentOf(source: string): Promise<string> {
  if (source === '-') return readAll(process.stdin);
  try {
    return readFileSync(source, 'utf8');
  } catch (cause) {
    throw new AppError(
      'not_found',
      `"${source}" cannot be read (${systemCode(cause) ?? 'no reason given'})`,
      { cause },
    );
  }
}

async function up(manifests: Manifest[], input: Input, client: ApiClient): Promise<number> {
  const query = new URLSearchParams();
  for (const [option, name] of [
    ['replace', 'replace'],
    ['allow-host-path', 'allowHostPath'],
    ['allow-privileged', 'allowPrivileged'],
  ] as const)
    if (input.options[option] === true) query.set(name, '1');
  const network = text(input, 'network');
  if (network !== undefined) query.set('network', network);
  const seconds = text(input, 'time');
  if (seconds !== undefined) query.set('t', seconds);
  const isWaiting = input.options['wait'] === true;
  const mine: string[] = [];
  const stopWatching = isWaiting ? removeOnSignal(mine, input, client) : undefined;
  let exitCode = 0;
  for (const { name, body } of manifests) {
    await client.call('POST', `/berth/pods?${query}`, body);
    mine.push(name);
    const started = await client.call<PodDescription>('GET', `/berth/pods/${name}/wait?condition=started`);
    exitCode ||= report(started);
  }
  if (!isWaiting) return exitCode;
  for (const name of mine) exitCode ||= await waitForEnd(name, client);
  stopWatching?.();
  for (const name of mine) await client.call('DELETE', `/berth/pods/${name}?force=1`);
  return exitCode;
}

/** A pod that has ended by now was short, which is no failure of its start. */
export function report(pod: PodDescription): number {
  process.stdout.write(`${pod.Name}\n`);
  if (pod.Phase === 'Pending' && pod.Message !== '') return tell(pod, 'cannot be started', pod.Message);
  const failed = [...pod.InitContainers, ...pod.Containers].find(
    ({ State, Message }) => State !== 'running' && Message !== '',
  );
  if (failed && pod.Phase === 'Pending')
    return tell(pod, `container "${failed.Name}" cannot be started`, failed.Message);
  const held = pod.InitContainers.find(({ State, ExitCode }) => State === 'terminated' && ExitCode !== 0);
  if (held && pod.Phase === 'Pending')
    return tell(pod, `init container "${held.Name}" failed`, `exit code ${held.ExitCode}; it is tried again`);
  return pod.Phase === 'Failed' ? exitCodeOf(pod) : 0;
}

function tell({ Name }: PodDescription, what: string, why: string): number {
  process.stderr.write(`engine: pod "${Name}": ${what}: ${why}\n`);
  return notStarted;
}

async function waitForEnd(name: string, client: ApiClient): Promise<number> {
  return exitCodeOf(await client.call<PodDescription>('GET', `/berth/pods/${name}/wait?condition=ended`));
}

function exitCodeOf({ Phase, InitContainers, Containers }: PodDescription): number {
  if (Phase === 'Succeeded') return 0;
  return [...InitContainers, ...Containers].find(({ ExitCode }) => ExitCode !== 0)?.ExitCode ?? 1;
}

function removeOnSignal(names: readonly string[], input: Input, client: ApiClient): () => void {
  const end = (signal: NodeJS.Signals) => {
    stop();
    const removals = names.map((name) => remove(name, input, client));
    void Promise.allSettled(removals).then(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  const stop = () => {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  return stop;
}

/** A file that is there is a manifest; anything else is a name. Pods that are gone already are no error of a manifest. */
async function down(source: string, input: Input, client: ApiClient): Promise<void> {
  const isName = /^[a-z0-9][a-z0-9-]*$/.test(source);
  const names = isName ? [source] : (await read(source, input)).map(({ name }) => name);
  for (const name of names.toReversed()) {
    try {
      await remove(name, input, client);
    } catch (error) {
      const isGone = error instanceof AppError && error.code === 'not_found';
      if (!isGone || isName) throw error;
      continue;
    }
    process.stdout.write(`${name}\n`);
  }
}

async function remove(name: string, input: Input, client: ApiClient): Promise<void> {
  const seconds = text(input, 'time');
  const time = seconds === undefined ? '' : `&t=${encodeURIComponent(seconds)}`;
  await client.call('DELETE', `/berth/pods/${encodeURIComponent(name)}?force=1${time}`);
}
