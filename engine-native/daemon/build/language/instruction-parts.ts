// What the parsers of single instructions share: their input, and commands in shell or JSON form. Pure.
import type { Flags } from './flags.ts';
import type { Command, Place } from './instruction.ts';
import type { EscapeToken, SourceLine } from './source-lines.ts';

/** What every parser gets. */
export interface Parts extends Place {
  keyword: string;
  rest: string;
  flags: Flags;
  source: SourceLine;
  escapeToken: EscapeToken;
}

export function placeOf({ line, text }: Place): Place {
  return { line, text };
}

export function commandOf(rest: string): Command {
  const exec = jsonWords(rest);
  return exec ? { exec } : { shell: rest };
}

/** The JSON form: a list of strings. Anything else is the shell form, as Docker has it. */
export function jsonWords(rest: string): string[] | undefined {
  if (!rest.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  } catch {
    // a shell command may begin with a bracket too
  }
  return undefined;
}
