// ps:scale: how many instances of each process type, and how much memory each. Makes no release.
import type { Formation, FormationEntry } from '@berth/contract/app.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, jsonOption } from '../command.ts';

export const psScale: Command = {
  summary: 'show or set how many instances run',
  usage: '[TYPE=N[:MEMORY]...] [-a APP] [--json]',
  example: 'berth ps:scale web=2 worker+1 cron=1:256M',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 100],
  run: async (input) => {
    const api = await input.api();
    const app = await input.app();
    const path = `/v1/apps/${encodeURIComponent(app)}/formation`;
    let formation = await api.get<Formation>(path);
    if (input.args.length > 0) {
      const entries = input.args.map((word) => parseScale(word, formation.entries));
      formation = await api.call<Formation>('PATCH', path, { entries });
    }
    const now = formation.entries.map(({ processType, quantity }) => `${processType}=${quantity}`).join(' ');
    if (flag(input, 'json')) input.output.json(formation.entries);
    else if (input.args.length > 0) input.output.line(`Scaling ${app}… done: ${now}`);
    else input.output.line(now === '' ? 'No process types yet: git push berth main' : now);
    return 0;
  },
};

export interface Scale {
  processType: string;
  quantity: number;
  memoryMb?: number;
}

/** `web=2`, `web+1`, `web-1`, `web=2:512M`, `web=1:1G`. Throws `bad_request`. */
export function parseScale(word: string, entries: readonly FormationEntry[]): Scale {
  const match = /^([a-z][a-z0-9_-]*?)([=+-])(\d+)(?::(\d+)([MG]?)B?)?$/i.exec(word);
  if (!match)
    throw new AppError('bad_request', `"${word}" does not say how many`, {
      hint: 'berth ps:scale web=2 worker=1:512M',
    });
  const [, processType = '', sign = '', number = '', memory, unit] = match;
  const before = entries.find((entry) => entry.processType === processType)?.quantity ?? 0;
  const delta = Number(number);
  const quantity = sign === '=' ? delta : Math.max(0, sign === '+' ? before + delta : before - delta);
  if (memory === undefined) return { processType, quantity };
  return { processType, quantity, memoryMb: Number(memory) * (unit?.toUpperCase() === 'G' ? 1024 : 1) };
}
