// The `--name=value` flags between a keyword and its arguments. Pure. Called by the parsers of instructions.
import { parseError } from './parse-error.ts';

export class Flags {
  readonly #given = new Map<string, string[]>();
  readonly #line: number;

  constructor(line: number) {
    this.#line = line;
  }

  add(name: string, value: string): void {
    this.#given.set(name, [...(this.#given.get(name) ?? []), value]);
  }

  /** Refuses what is not in the list, and what stands twice and is not marked with `*`. */
  allow(keyword: string, names: string[]): void {
    for (const [name, values] of this.#given) {
      const isRepeatable = names.includes(`${name}*`);
      if (!isRepeatable && !names.includes(name))
        throw parseError(
          this.#line,
          `unknown flag: --${name}`,
          names.length === 0
            ? `${keyword} takes no flags`
            : `${keyword} takes ${names.map((known) => `--${known.replace('*', '')}`).join(', ')}`,
        );
      if (!isRepeatable && values.length > 1)
        throw parseError(this.#line, `duplicate flag specified: --${name}`);
    }
  }

  text(name: string): string {
    return this.#given.get(name)?.[0] ?? '';
  }

  all(name: string): string[] {
    return this.#given.get(name) ?? [];
  }

  /** Undefined when it is not given. */
  flag(name: string): boolean | undefined {
    const value = this.#given.get(name)?.[0]?.toLowerCase();
    if (value === undefined) return undefined;
    if (value === '' || value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw parseError(this.#line, `expecting boolean value for flag --${name}, not: ${value}`);
  }
}

/** Takes the flags off the front of an instruction's arguments. */
export function takeFlags(rest: string, line: number, escapeToken: string): { flags: Flags; rest: string } {
  const flags = new Flags(line);
  let at = 0;
  for (;;) {
    while (/\s/.test(rest.charAt(at))) at++;
    if (!rest.startsWith('--', at)) break;
    const { word, end } = flagWord(rest, at, escapeToken);
    at = end;
    if (word === '--') break;
    const cut = word.indexOf('=');
    flags.add(cut < 0 ? word.slice(2) : word.slice(2, cut), cut < 0 ? '' : word.slice(cut + 1));
  }
  return { flags, rest: rest.slice(at).trimStart() };
}

/** One flag: quotes group its spaces and are taken off, the escape token protects a character. Variables stay. */
function flagWord(text: string, from: number, escapeToken: string): { word: string; end: number } {
  let word = '';
  let quote = '';
  let at = from;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === '' && /\s/.test(char)) break;
    if (
      char === escapeToken &&
      quote !== "'" &&
      at + 1 < text.length &&
      /["'\\`\s]/.test(text.charAt(at + 1))
    )
      word += text.charAt(++at);
    else if (char === quote) quote = '';
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else word += char;
  }
  return { word, end: at };
}
