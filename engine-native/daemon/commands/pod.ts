// `berth-engine pod ls|inspect|logs|start|stop|rm`: the pods that run here.
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerDescription, PodDescription } from '../pods/describe-pod.ts';
import type { ApiClient } from './api-client.ts';
import type { Command, Input } from './command.ts';
import { text } from './command.ts';
import { clientOf, report } from './play.ts';

type Action = (name: string, input: Input, client: ApiClient) => Promise<void>;

const actions: Record<string, Action> = { ls: list, inspect, logs, start, stop, rm: remove };

export const pod: Command = {
  summary: 'list, inspect, stop, start and remove pods, and read their logs',
  usage: 'ls | inspect NAME | logs NAME [CONTAINER] | start NAME | stop NAME | rm NAME',
  options: {
    follow: { type: 'boolean', short: 'f', about: 'logs: go on until the container ends' },
    tail: { type: 'string', value: 'N', about: 'logs: only the last lines' },
    timestamps: { type: 'boolean', short: 't', about: 'logs: with the time of each line' },
    force: { type: 'boolean', about: 'rm: stop it first' },
    time: { type: 'string', value: 'SECONDS', about: "stop, rm: time to stop in, instead of the manifest's" },
    socket: { type: 'string', value: 'FILE', about: 'the API of the engine (/run/berth/engine.sock)' },
  },
  positionals: [1, 3],
  async run(input) {
    const [action = '', name = '', more] = input.args;
    const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
    const hint = 'see berth-engine pod --help';
    if (!run) throw new AppError('bad_request', `"${action}" is nothing that can be done to pods`, { hint });
    if ((name === '') !== (action === 'ls') || (more !== undefined && action !== 'logs'))
      throw new AppError('bad_request', `"pod ${action}" takes ${action === 'ls' ? 'no name' : 'one name'}`, {
        hint,
      });
    await run(encodeURIComponent(name), input, clientOf(input));
  },
};

async function list(_name: string, _input: Input, client: ApiClient): Promise<void> {
  const pods = await client.call<PodDescription[]>('GET', '/berth/pods');
  const rows = pods.map(({ Name, Phase, Containers, IP, Created }) => [
    Name,
    Phase,
    `${Containers.filter(({ Ready }) => Ready).length}/${Containers.length}`,
    String(Containers.reduce((sum, { Restarts }) => sum + Restarts, 0)),
    ageOf(Created),
    IP,
  ]);
  const table = [['NAME', 'STATUS', 'READY', 'RESTARTS', 'AGE', 'IP'], ...rows];
  const widths = [0, 1, 2, 3, 4, 5].map((column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of table)
    process.stdout.write(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd()}\n`,
    );
}

function ageOf(created: string): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(created)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

async function inspect(name: string, _input: Input, client: ApiClient): Promise<void> {
  const found = await client.call<PodDescription>('GET', `/berth/pods/${name}`);
  process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
}

async function start(name: string, _input: Input, client: ApiClient): Promise<void> {
  await client.call('POST', `/berth/pods/${name}/start`);
  process.exitCode = report(await client.call('GET', `/berth/pods/${name}/wait?condition=started`));
}

async function stop(name: string, input: Input, client: ApiClient): Promise<void> {
  await client.call('POST', `/berth/pods/${name}/stop${query({ t: text(input, 'time') })}`);
  process.stdout.write(`${decodeURIComponent(name)}\n`);
}

async function remove(name: string, input: Input, client: ApiClient): Promise<void> {
  const force = input.options['force'] === true ? '1' : undefined;
  await client.call('DELETE', `/berth/pods/${name}${query({ force, t: text(input, 'time') })}`);
  process.stdout.write(`${decodeURIComponent(name)}\n`);
}

/** One container's log as it is; of several, each line says whose it is. */
async function logs(name: string, input: Input, client: ApiClient): Promise<void> {
  const found = await client.call<PodDescription>('GET', `/berth/pods/${name}`);
  const all = [...found.InitContainers, ...found.Containers];
  const wanted = input.args[2];
  const chosen = wanted === undefined ? all : all.filter(({ Name }) => Name === wanted);
  if (chosen.length === 0)
    throw new AppError('not_found', `pod "${found.Name}" has no container "${wanted}"`, {
      hint: `it has ${all.map(({ Name }) => Name).join(', ')}`,
    });
  const isFollowing = input.options['follow'] === true;
  const asked = query({
    stdout: '1',
    stderr: '1',
    follow: isFollowing ? '1' : '0',
    tail: text(input, 'tail'),
    timestamps: input.options['timestamps'] === true ? '1' : '0',
  });
  const print = (one: ContainerDescription) => copyLog(one, asked, chosen.length > 1, client);
  if (isFollowing) await Promise.all(chosen.map(print));
  else for (const one of chosen) await print(one);
}

async function copyLog(
  { Id, Name, State }: ContainerDescription,
  asked: string,
  isNamed: boolean,
  client: ApiClient,
): Promise<void> {
  if (State === 'removed') return;
  const response = await client.open('GET', `/containers/${Id}/logs${asked}`);
  const prefix = isNamed ? `[${Name}] ` : '';
  const rest: [string, string] = ['', ''];
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 8 && pending.length >= 8 + pending.readUInt32BE(4)) {
      const end = 8 + pending.readUInt32BE(4);
      const isError = pending[0] === 2;
      const target = isError ? process.stderr : process.stdout;
      if (prefix === '') target.write(pending.subarray(8, end));
      else {
        const lines = (rest[isError ? 1 : 0] + pending.subarray(8, end).toString('utf8')).split('\n');
        rest[isError ? 1 : 0] = lines.pop() ?? '';
        for (const line of lines) target.write(`${prefix}${line}\n`);
      }
      pending = pending.subarray(end);
    }
  }
  if (rest[0] !== '') process.stdout.write(`${prefix}${rest[0]}\n`);
  if (rest[1] !== '') process.stderr.write(`${prefix}${rest[1]}\n`);
}

function query(values: Record<string, string | undefined>): string {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}
