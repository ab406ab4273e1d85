// The text of a TOML file with a position in it: white space, comments, keys. Used by parse-toml.ts and toml-values.ts only.
import type { AppError } from '@berth/kit/errors.ts';
import { problemAt } from './located.ts';

export class TomlText {
  readonly #file: string;
  readonly #text: string;
  #at = 0;
  line = 1;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  problem(what: string, line = this.line): AppError {
    return problemAt(this.#file, line, what);
  }

  peek(): string {
    return this.#text.charAt(this.#at);
  }

  take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  expect(word: string): void {
    this.skipSpace();
    if (!this.take(word)) throw this.problem(`expected "${word}", found ${this.#found()}`);
  }

  /** What a sticky pattern matches here, taken; counts the lines in it. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    for (const char of found) if (char === '\n') this.line++;
    return found;
  }

  skipSpace(): void {
    this.match(/[ \t]*/y);
  }

  /** White space, comments and line ends. */
  skipBlank(): void {
    this.match(/(?:[ \t\n]|#[^\n]*)*/y);
  }

  endLine(): void {
    this.match(/[ \t]*(?:#[^\n]*)?/y);
    if (!this.ended && !this.match(/\n/y))
      throw this.problem(`expected the end of the line, found ${this.#found()}`);
  }

  keyPart(): string {
    const bare = this.match(/[A-Za-z0-9_-]+/y);
    if (bare !== undefined) return bare;
    const quoted = this.quoted();
    if (quoted === undefined) throw this.problem(`expected a key, found ${this.#found()}`);
    return quoted;
  }

  /** A string on one line, in either kind of quotes. */
  quoted(): string | undefined {
    const literal = this.match(/'[^'\n]*'/y);
    if (literal !== undefined) return literal.slice(1, -1);
    const basic = this.match(/"(?:[^"\\\n]|\\[^\n])*"/y);
    if (basic !== undefined) return this.unescape(basic.slice(1, -1));
    if (this.peek() === '"' || this.peek() === "'") throw this.problem('the string does not end on its line');
    return undefined;
  }

  unescape(text: string): string {
    const short: Record<string, string> = {
      b: '\b',
      t: '\t',
      n: '\n',
      f: '\f',
      r: '\r',
      '"': '"',
      '\\': '\\',
    };
    const escapes = /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([ \t]*\n[ \t\n]*)|(.))/gs;
    return text.replace(escapes, (...found: (string | undefined)[]) => {
      const [whole = '', four, eight, lineEnd, char] = found;
      if (lineEnd !== undefined) return '';
      if (char !== undefined && Object.hasOwn(short, char)) return short[char] ?? '';
      const code = Number.parseInt(four ?? eight ?? 'x', 16);
      if (!(code <= 0x10_ffff) || (code >= 0xd800 && code <= 0xdfff))
        throw this.problem(`"${whole}" is no escape of TOML`);
      return String.fromCodePoint(code);
    });
  }

  #found(): string {
    if (this.ended) return 'the end of the file';
    if (this.peek() === '\n') return 'the end of the line';
    const rest = this.#text.slice(this.#at, this.#at + 30).split('\n', 1)[0] ?? '';
    return `"${rest}"`;
  }
}
