// logs: what an app printed and what the platform says of it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine } from '@berth/contract/log.ts';
import { asAppError } from '@berth/kit/errors.ts';
import { appOptions, type Command, flag, type Input, jsonOption, numOption, text } from '../command.ts';
import { printable } from '../output.ts';
import { parseCount } from '../parse-count.ts';

export const logs: Command = {
  summary: 'show the log',
  usage: '[-t] [-n N] [-p PROCESS] [-a APP] [--json]',
  example: 'berth logs -t -p web.1',
  options: {
    ...appOptions,
    ...jsonOption,
    ...numOption,
    tail: { type: 'boolean', short: 't', about: 'go on with what comes' },
    ps: {
      type: 'string',
      short: 'p',
      value: 'PROCESS',
      about: 'only this process type or instance: web, web.1, router',
    },
  },
  positionals: [0, 0],
  run: async (input) => {
    const lines = parseCount(text(input, 'num'), 100, 10_000, 0);
    const process = text(input, 'ps');
    await follow(input, lines, process, flag(input, 'tail'));
    return 0;
  },
};

/** A platform that restarts comes back within seconds; after a minute there is nothing to follow. */
const awayLimitMs = 60_000;

async function follow(
  input: Input,
  lines: number,
  process: string | undefined,
  tail: boolean,
): Promise<void> {
  const api = await input.api();
  const base = `/v1/apps/${encodeURIComponent(await input.app())}/logs`;
  let wanted = lines;
  let lastHeard: number | undefined;
  for (;;) {
    const query = new URLSearchParams({ lines: String(wanted) });
    if (process !== undefined) query.set('process', process);
    if (tail) query.set('follow', '1');
    try {
      for await (const line of api.lines<LogLine>(`${base}?${query}`)) {
        lastHeard = performance.now();
        print(input, line);
      }
      if (!tail) return;
      lastHeard ??= performance.now();
    } catch (error) {
      const { retryable } = asAppError(error);
      // Before the first line an error is the answer; later the platform may be restarting.
      if (!tail || !retryable || lastHeard === undefined || performance.now() - lastHeard > awayLimitMs)
        throw error;
    }
    wanted = 0;
    await sleep(500);
  }
}

function print(input: Input, line: LogLine): void {
  const { output } = input;
  if (flag(input, 'json')) {
    output.line(JSON.stringify(line));
    return;
  }
  const origin = `${line.source}[${line.process}]:`;
  const color = [...origin].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0);
  output.line(`${output.colored(`${line.time} ${origin}`, color)} ${clean(output.isTerminal, line.message)}`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a colour is an escape sequence
const colour = /(\u001b\[[0-9;]*m)/;

/** An app may print colours, and a pipe gets its bytes; what else steers a terminal does not pass. */
function clean(isTerminal: boolean, message: string): string {
  if (!isTerminal) return message;
  const pieces = message.split(colour);
  return pieces.map((piece) => (colour.test(piece) ? piece : printable(piece))).join('');
}
