// From argv to a command's name, options and positionals. Pure; used by main.ts.
import { parseArgs } from 'node:util';
import { AppError } from '@berth/kit/errors.ts';
import { closest } from '@berth/kit/suggest.ts';
import type { Command } from './command.ts';
import { aliases, commandTable, hiddenCommands } from './command-table.ts';

export interface NamedCommand {
  name: string;
  rest: string[];
}

function known(name: string): string | undefined {
  if (commandTable.has(name) || hiddenCommands.has(name)) return name;
  return aliases.get(name);
}

/** `config:set A=1` and `config set A=1` both mean config:set. Throws `bad_request` for a name that is none. */
export function findCommand(argv: readonly string[]): NamedCommand {
  const [first, second, ...others] = argv;
  if (first === undefined) return { name: 'help', rest: [] };
  if (second !== undefined) {
    const joined = known(`${first}:${second}`);
    if (joined !== undefined) return { name: joined, rest: others };
  }
  const single = known(first);
  if (single !== undefined) return { name: single, rest: argv.slice(1) };
  const guess = closest(first, [...commandTable.keys(), ...aliases.keys()]);
  throw new AppError('bad_request', `"${first}" is not a berth command`, {
    hint: guess === undefined ? 'see them all: berth help' : `did you mean "berth ${guess}"?`,
  });
}

export interface Parsed {
  args: string[];
  options: Record<string, string | boolean | undefined>;
}

/** Throws `bad_request` for an unknown option, a missing value, or too few or too many arguments. */
export function parseArguments(name: string, command: Command, rest: readonly string[]): Parsed {
  const [own, passed] = command.passesRest ? splitRest(command, rest) : [[...rest], []];
  const hint = `usage: berth ${name} ${command.usage}`.trim();
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: own, options: optionTable(command), allowPositionals: true, strict: true });
  } catch (error) {
    throw new AppError('bad_request', optionMessage(error, command), { hint });
  }
  const args = [...parsed.positionals, ...passed];
  const [least, most] = command.positionals;
  const wantsHelp = parsed.values['help'] === true;
  if (args.length < least && !wantsHelp)
    throw new AppError('bad_request', `"${name}" needs more arguments`, { hint });
  if (args.length > most && !wantsHelp)
    throw new AppError('bad_request', `"${name}" does not take "${args[most] ?? ''}"`, { hint });
  return { args, options: parsed.values as Parsed['options'] };
}

function optionTable(command: Command): Record<string, { type: 'string' | 'boolean'; short?: string }> {
  const table: Record<string, { type: 'string' | 'boolean'; short?: string }> = {
    help: { type: 'boolean', short: 'h' },
  };
  for (const [name, { type, short }] of Object.entries(command.options))
    table[name] = short === undefined ? { type } : { type, short };
  return table;
}

function optionMessage(error: unknown, command: Command): string {
  const message = error instanceof Error ? error.message : String(error);
  const unknown = /Unknown option '(--?[^']+)'/.exec(message)?.[1];
  if (unknown === undefined) return (message.split('. ')[0] ?? message).replace(/^O/, 'o');
  const guess = closest(unknown.replace(/^-+/, ''), Object.keys(command.options));
  return `"${unknown}" is not an option here${guess === undefined ? '' : `; did you mean "--${guess}"?`}`;
}

/** Own options first; from the first argument that is none, everything is the program's. */
function splitRest(command: Command, rest: readonly string[]): [string[], string[]] {
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? '';
    if (word === '--') return [rest.slice(0, at), rest.slice(at + 1)];
    if (!word.startsWith('-')) return [rest.slice(0, at), rest.slice(at)];
    const takesValue = Object.entries(command.options).some(
      ([name, { type, short }]) => type === 'string' && (word === `--${name}` || word === `-${short ?? ''}`),
    );
    if (takesValue) at++;
  }
  return [[...rest], []];
}
