// `berth-engine help`, and the help of each command.
import type { Command } from './command.ts';
import { commandTable } from './command-table.ts';

export const help: Command = {
  summary: 'print this, or the help of a command',
  usage: '[COMMAND]',
  options: {},
  positionals: [0, 1],
  async run({ args: [name] }) {
    const load = name === undefined ? undefined : commandTable.get(name);
    process.stdout.write(load && name !== undefined ? commandHelp(name, await load()) : await overview());
  },
};

async function overview(): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, load] of commandTable) rows.push([name, (await load()).summary]);
  return `A container engine: Docker's API on a unix socket.

Usage: berth-engine COMMAND [OPTIONS]

${table(rows)}
Without a command it serves. Then: export DOCKER_HOST=unix:///run/berth/engine.sock
`;
}

export function commandHelp(name: string, { summary, usage, options }: Command): string {
  const rows = Object.entries(options).map(([option, { value, short, about }]): [string, string] => [
    `${short === undefined ? '' : `-${short}, `}--${option}${value === undefined ? '' : ` ${value}`}`,
    about,
  ]);
  const head = `Usage: berth-engine ${name}${usage === '' ? '' : ` ${usage}`}${rows.length > 0 ? ' [OPTIONS]' : ''}`;
  return `${head}\n\n${summary}\n${rows.length > 0 ? `\n${table(rows)}` : ''}`;
}

function table(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('');
}
