// The shape of a command and what it is given when it runs. Every file in commands/ exports such objects.
import type { ApiClient } from './api-client.ts';
import type { CliEnvironment } from './config.ts';
import type { Output } from './output.ts';
import type { Session } from './session.ts';

export interface OptionSpec {
  type: 'string' | 'boolean';
  short?: string;
  about: string;
  /** What stands for the value in help. */
  value?: string;
}

export interface Command {
  summary: string;
  /** Behind the name: `[NAME]`, `KEY=VALUE...`. */
  usage: string;
  example: string;
  options: Record<string, OptionSpec>;
  /** Least and most positional arguments. */
  positionals: readonly [number, number];
  /** Options end at the first positional: the rest belongs to the command that is run. */
  passesRest?: boolean;
  /** Resolves to the exit code; nothing = 0. */
  run: (input: Input) => Promise<number | undefined>;
}

export interface Input {
  args: string[];
  options: Record<string, string | boolean | undefined>;
  env: CliEnvironment;
  session: Session;
  output: Output;
  api: () => Promise<ApiClient>;
  /** The app of -a, or of the git remote. */
  app: () => Promise<string>;
}

export const appOptions = {
  app: { type: 'string', short: 'a', value: 'APP', about: 'the app; without it the one of the git remote' },
  remote: {
    type: 'string',
    short: 'r',
    value: 'REMOTE',
    about: 'the git remote to read the app from (berth)',
  },
} as const satisfies Record<string, OptionSpec>;

export const jsonOption = {
  json: { type: 'boolean', about: 'print JSON' },
} as const satisfies Record<string, OptionSpec>;

export const waitOption = {
  'no-wait': { type: 'boolean', about: 'do not wait until the release is live' },
} as const satisfies Record<string, OptionSpec>;

export const numOption = {
  num: { type: 'string', short: 'n', value: 'N', about: 'how many to show' },
} as const satisfies Record<string, OptionSpec>;

export function text(input: Input, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(input: Input, name: string): boolean {
  return input.options[name] === true;
}
