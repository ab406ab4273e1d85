// status and version: the platform and this program.
import { readFileSync } from 'node:fs';
import { type Command, flag, jsonOption } from '../command.ts';
import type { Cell } from '../output.ts';

export const status: Command = {
  summary: 'show how the platform is',
  usage: '[--json]',
  example: 'berth status',
  options: jsonOption,
  positionals: [0, 0],
  run: async (input) => {
    const api = await input.api();
    const found = await api.get<Record<string, unknown>>('/v1/status');
    if (flag(input, 'json')) input.output.json(found);
    else {
      const rows = Object.entries(found).map(([name, value]): [string, Cell] => [name, plain(value)]);
      input.output.fields([['server', api.server], ...rows]);
    }
    return 0;
  },
};

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join('; ');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name}=${plain(inner)}`)
    .join(' ');
}

export const version: Command = {
  summary: 'print the version of this program',
  usage: '',
  example: 'berth version',
  options: {},
  positionals: [0, 0],
  run: async (input) => {
    const raw = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
    const { version: number } = JSON.parse(raw) as { version: string };
    input.output.line(`berth ${number} (node ${process.versions.node})`);
    return 0;
  },
};
