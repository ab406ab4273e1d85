// run: a one-off process in the app's newest release, with this terminal as its own. Its exit code becomes ours.
import type { StartedRun, StartRun } from '@berth/contract/run.ts';
import type { Static } from '@sinclair/typebox';
import { attachRun } from '../attach-run.ts';
import { appOptions, type Command, flag } from '../command.ts';

export const run: Command = {
  summary: 'run a command in the app',
  usage: '[--no-tty] [-a APP] COMMAND [ARGUMENT...]',
  example: 'berth run -a hello node --version',
  options: {
    ...appOptions,
    'no-tty': { type: 'boolean', about: 'give it no terminal even when there is one here' },
  },
  positionals: [1, 10_000],
  passesRest: true,
  run: async (input) => {
    const api = await input.api();
    const base = `/v1/apps/${encodeURIComponent(await input.app())}/runs`;
    const tty = process.stdin.isTTY === true && process.stdout.isTTY === true && !flag(input, 'no-tty');
    const body: StartRun = { command: argv(input.args), tty, ...(tty ? terminalSize() : {}) };
    const started = await api.call<Static<typeof StartedRun>>('POST', base, body);
    const connection = await api.upgrade(`${base}/${encodeURIComponent(started.id)}/attach`, 'berth-stream');
    return attachRun(connection.socket, connection.head, tty);
  },
};

/** One word with spaces or signs of a shell is a line for the shell, as people know it from elsewhere. */
export function argv(args: readonly string[]): string[] {
  const [only = ''] = args;
  return args.length === 1 && /[\s|&;<>$`"'*?()]/.test(only) ? ['/bin/sh', '-c', only] : [...args];
}

function terminalSize(): { rows: number; cols: number } {
  return { rows: process.stdout.rows || 24, cols: process.stdout.columns || 80 };
}
