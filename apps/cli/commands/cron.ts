// cron: the regular runs that berth.toml or app.json asks for.
import type { CronRun } from '@berth/contract/cron.ts';
import { appOptions, type Command, flag, jsonOption } from '../command.ts';

export const cron: Command = {
  summary: 'show the regular runs, when each runs next and how it ended last',
  usage: '[-a APP] [--json]',
  example: 'berth cron',
  options: { ...appOptions, ...jsonOption },
  positionals: [0, 0],
  run: async (input) => {
    const api = await input.api();
    const app = encodeURIComponent(await input.app());
    const { entries } = await api.get<{ entries: CronRun[] }>(`/v1/apps/${app}/cron`);
    if (flag(input, 'json')) input.output.json(entries);
    else if (entries.length === 0)
      input.output.line(
        'Nothing runs regularly: write [[cron]] into berth.toml (berth schema shows its keys)',
      );
    else
      input.output.table(
        ['SCHEDULE', 'COMMAND', 'NEXT', 'LAST', 'RESULT'],
        entries.map((entry) => [
          entry.schedule,
          entry.command,
          { time: entry.nextAt },
          entry.last ? { time: entry.last.at } : null,
          [resultOf(entry), entry.note].filter(Boolean).join('; '),
        ]),
      );
    return 0;
  },
};

function resultOf({ last }: CronRun): string {
  if (!last) return '';
  if (last.running) return `${last.name} runs`;
  if (last.exitCode === null) return `${last.name} did not start`;
  return last.exitCode === 0 ? `${last.name} done` : `${last.name} exited with code ${last.exitCode}`;
}
