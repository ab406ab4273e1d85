// Words of an instruction: shell-like splitting, quotes, escapes, and the variable expansion Dockerfiles document. Pure, bounded.
// https://docs.docker.com/reference/dockerfile/#environment-replacement
import { AppError } from '@berth/kit/errors.ts';
import { oneLine } from './parse-error.ts';
import { replacePattern, trimPattern } from './variable-patterns.ts';

export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  /** Quotes are ordinary characters (bodies of here-documents). */
  keepQuotes?: boolean;
  /** `$name` is an ordinary text. */
  keepVariables?: boolean;
}

const maxResult = 4 * 1024 * 1024; // variables that double each other must not fill our memory
const maxDepth = 32;

/** One word with its quotes taken off and its variables put in. */
export function expandWord(
  text: string,
  lookup: Lookup,
  escapeToken: string,
  options: ExpandOptions = {},
): string {
  return new Expander(text, lookup, escapeToken, options).whole();
}

/** As expandWord, then split at the spaces that stood outside of quotes or came out of unquoted variables. */
export function expandWords(text: string, lookup: Lookup, escapeToken: string): string[] {
  return splitWords(text, escapeToken).flatMap((word) => {
    const isQuoted = /["']/.test(word);
    const expanded = expandWord(word, lookup, escapeToken);
    return isQuoted ? [expanded] : expanded.split(/\s+/).filter((part) => part !== '');
  });
}

/** Words as they stand, quotes kept. An unfinished quote reaches to the end. */
export function splitWords(text: string, escapeToken: string): string[] {
  const words: string[] = [];
  let word = '';
  let isIn = false;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === '' && /\s/.test(char)) {
      if (isIn) words.push(word);
      word = '';
      isIn = false;
      continue;
    }
    isIn = true;
    word += char;
    if (char === escapeToken && quote !== "'" && at + 1 < text.length) word += text.charAt(++at);
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  if (isIn) words.push(word);
  return words;
}

class Expander {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #options: ExpandOptions;
  readonly #depth: number;
  #at = 0;

  constructor(text: string, lookup: Lookup, escapeToken: string, options: ExpandOptions, depth = 0) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = escapeToken;
    this.#options = options;
    this.#depth = depth;
    if (depth > maxDepth) throw failure('variables are nested too deeply');
  }

  whole(): string {
    return this.#until('');
  }

  /** Reads up to one of the characters in `stops`, which is left in place. */
  #until(stops: string): string {
    let out = '';
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at);
      if (stops.includes(char)) break;
      out += this.#piece(char);
      if (out.length > maxResult) throw failure('the expanded text is too long');
    }
    return out;
  }

  #piece(char: string): string {
    const { keepQuotes = false, keepVariables = false } = this.#options;
    if (char === '$' && !keepVariables) return this.#variable();
    if (char === this.#escape) return this.#escaped(keepQuotes ? `$${this.#escape}` : undefined);
    if (!keepQuotes && char === "'") return this.#single();
    if (!keepQuotes && char === '"') return this.#double();
    this.#at++;
    return char;
  }

  /** What the escape token protects; `only`: other characters keep the token in front of them. */
  #escaped(only: string | undefined): string {
    const next = this.#text.charAt(this.#at + 1);
    this.#at += 2;
    if (next === '') return this.#escape;
    return only === undefined || only.includes(next) ? next : `${this.#escape}${next}`;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw failure('unexpected end of statement while looking for matching single-quote');
    const out = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return out;
  }

  #double(): string {
    let out = '';
    this.#at++;
    for (;;) {
      const char = this.#text.charAt(this.#at);
      if (char === '') throw failure('unexpected end of statement while looking for matching double-quote');
      if (char === '"') break;
      if (char === '$' && !this.#options.keepVariables) out += this.#variable();
      else if (char === this.#escape) out += this.#escaped(`"$${this.#escape}`);
      else {
        out += char;
        this.#at++;
      }
    }
    this.#at++;
    return out;
  }

  #variable(): string {
    this.#at++;
    if (this.#text.charAt(this.#at) === '{') return this.#braced();
    const name = this.#name();
    return name === '' ? '$' : (this.#lookup(name) ?? '');
  }

  #name(): string {
    const match = /^(?:[A-Za-z_]\w*|\d+|[@*#?$!-])/.exec(this.#text.slice(this.#at, this.#at + 256));
    this.#at += match?.[0].length ?? 0;
    return match?.[0] ?? '';
  }

  #braced(): string {
    this.#at++;
    const name = this.#name();
    if (name === '') throw failure(`bad substitution in "${this.#text.slice(0, 80)}"`);
    const value = this.#lookup(name);
    if (this.#take('}')) return value ?? '';
    const out = this.#modified(name, value);
    if (!this.#take('}')) throw failure(`missing "}" in "${this.#text.slice(0, 80)}"`);
    return out;
  }

  #modified(name: string, value: string | undefined): string {
    const orEmpty = this.#take(':');
    const isSet = value !== undefined && !(orEmpty && value === '');
    if (this.#take('-')) return choose(isSet, value, this.#operand('}'));
    if (this.#take('+')) return choose(!isSet, '', this.#operand('}'));
    if (this.#take('?')) {
      const message = this.#operand('}');
      if (isSet) return value ?? '';
      throw failure(`${name}: ${message || 'is not set'}`);
    }
    if (orEmpty) throw unsupported(this.#text);
    return this.#patterned(value ?? '');
  }

  #patterned(value: string): string {
    for (const side of ['#', '%'] as const) {
      if (!this.#take(side)) continue;
      const greedy = this.#take(side);
      return trimPattern(value, this.#operand('}'), side === '#' ? 'start' : 'end', greedy);
    }
    if (this.#at >= this.#text.length) throw failure(`missing "}" in "${this.#text.slice(0, 80)}"`);
    if (this.#take('/')) {
      const all = this.#take('/');
      const pattern = this.#operand('/}');
      const replacement = this.#take('/') ? this.#operand('}') : '';
      return replacePattern(value, pattern, replacement, all);
    }
    throw unsupported(this.#text);
  }

  #operand(stops: string): string {
    const inner = new Expander(this.#text, this.#lookup, this.#escape, this.#options, this.#depth + 1);
    inner.#at = this.#at;
    const out = inner.#until(stops);
    this.#at = inner.#at;
    return out;
  }

  #take(char: string): boolean {
    if (this.#text.charAt(this.#at) !== char) return false;
    this.#at++;
    return true;
  }
}

function choose(first: boolean, value: string | undefined, other: string): string {
  return first ? (value ?? '') : other;
}

function unsupported(text: string): AppError {
  return failure(`unsupported modifier in substitution "${text.slice(0, 80)}"`);
}

function failure(message: string): AppError {
  return new AppError('bad_request', oneLine(message));
}
