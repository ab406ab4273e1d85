// A Dockerfile's text as logical lines: parser directives, comments, continuations and here-documents taken apart. Pure.
// Called by parse-dockerfile.ts. The format: https://docs.docker.com/reference/dockerfile/ ("Format", "Here-Documents").
import { parseError } from './parse-error.ts';
import { expandWord, splitWords } from './words.ts';

export type EscapeToken = '\\' | '`';

export interface Heredoc {
  name: string;
  content: string;
  /** False when the delimiter was quoted: variables in it stay as they are. */
  isExpanded: boolean;
  /** `<<-`: leading tabs were taken off. */
  isChomped: boolean;
  descriptor: string;
}

export interface SourceLine {
  /** First and last line, from 1. */
  line: number;
  endLine: number;
  /** Upper case. */
  keyword: string;
  /** What follows the keyword, continuations joined. */
  rest: string;
  heredocs: Heredoc[];
}

export interface SourceText {
  escapeToken: EscapeToken;
  syntax: string | undefined;
  lines: SourceLine[];
}

const maxBytes = 1024 * 1024; // more is no Dockerfile
const maxHeredocs = 100;
const heredocKeywords = new Set(['RUN', 'COPY', 'ADD']);
const directivePattern = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const knownDirectives = new Set(['syntax', 'escape', 'check']);

export function readSourceLines(text: string): SourceText {
  if (text.length > maxBytes) throw parseError(1, `the file is longer than ${maxBytes} bytes`);
  const raw = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const { directives, next } = readDirectives(raw);
  const escapeToken = escapeOf(directives.get('escape'));
  const reader = new LineReader(raw, next, escapeToken);
  const lines: SourceLine[] = [];
  for (;;) {
    const line = reader.read();
    if (!line) break;
    lines.push(line);
  }
  return { escapeToken, syntax: directives.get('syntax')?.value, lines };
}

interface Directive {
  value: string;
  line: number;
}

/** Directives stand before everything else; the first line that is none ends them. */
function readDirectives(raw: string[]): { directives: Map<string, Directive>; next: number } {
  const directives = new Map<string, Directive>();
  let next = 0;
  for (; next < raw.length; next++) {
    const match = directivePattern.exec((raw[next] ?? '').trim());
    const name = match?.[1]?.toLowerCase();
    if (!match || name === undefined || !knownDirectives.has(name)) break;
    if (directives.has(name)) throw parseError(next + 1, `only one ${name} parser directive can be used`);
    directives.set(name, { value: match[2] ?? '', line: next + 1 });
  }
  return { directives, next };
}

function escapeOf(directive: Directive | undefined): EscapeToken {
  if (directive === undefined || directive.value === '\\') return '\\';
  if (directive.value === '`') return '`';
  throw parseError(directive.line, `invalid ESCAPE "${directive.value}"`, 'use \\ or `');
}

class LineReader {
  readonly #raw: string[];
  readonly #escape: EscapeToken;
  readonly #continued: RegExp;
  #at: number;

  constructor(raw: string[], from: number, escapeToken: EscapeToken) {
    this.#raw = raw;
    this.#at = from;
    this.#escape = escapeToken;
    const token = escapeToken === '\\' ? '\\\\' : '`';
    this.#continued = new RegExp(`(^|[^${token}])${token}[ \\t]*$`);
  }

  read(): SourceLine | undefined {
    while (this.#at < this.#raw.length && isBlankOrComment(this.#raw[this.#at] ?? '')) this.#at++;
    if (this.#at >= this.#raw.length) return undefined;
    const line = this.#at + 1;
    const text = this.#logicalLine();
    const { keyword, rest } = splitKeyword(text);
    const heredocs = this.#heredocsOf(keyword, rest, line);
    return { line, endLine: this.#at, keyword, rest, heredocs };
  }

  #logicalLine(): string {
    const parts: string[] = [];
    let text = (this.#raw[this.#at++] ?? '').trimStart();
    while (this.#continued.test(text)) {
      parts.push(text.replace(this.#continued, '$1'));
      // Comments and empty lines inside a continued instruction are not part of it.
      while (this.#at < this.#raw.length && isBlankOrComment(this.#raw[this.#at] ?? '')) this.#at++;
      if (this.#at >= this.#raw.length) return parts.join('').trimEnd();
      text = this.#raw[this.#at++] ?? '';
    }
    return [...parts, text].join('').trimEnd();
  }

  #heredocsOf(keyword: string, rest: string, line: number): Heredoc[] {
    const target = keyword === 'ONBUILD' ? splitKeyword(rest) : { keyword, rest };
    if (!heredocKeywords.has(target.keyword) || !target.rest.includes('<<')) return [];
    const heads = heredocHeads(target.rest, this.#escape);
    if (heads.length > maxHeredocs) throw parseError(line, `more than ${maxHeredocs} here-documents`);
    return heads.map((head) => ({ ...head, content: this.#heredocBody(head, line) }));
  }

  #heredocBody({ name, isChomped }: HeredocHead, line: number): string {
    const body: string[] = [];
    while (this.#at < this.#raw.length) {
      const raw = this.#raw[this.#at++] ?? '';
      const text = isChomped ? raw.replace(/^\t+/, '') : raw;
      if (text === name) return body.map((each) => `${each}\n`).join('');
      body.push(text);
    }
    throw parseError(line, `unterminated heredoc: no line "${name}" follows`);
  }
}

type HeredocHead = Omit<Heredoc, 'content'>;

/** The here-documents a line announces, in their order; quoted `<<` are none. */
export function heredocHeads(rest: string, escapeToken: EscapeToken): HeredocHead[] {
  const heads: HeredocHead[] = [];
  for (const word of splitWords(rest, escapeToken)) {
    const match = /^(\d*)<<(-?)\s*([^<]+)$/.exec(word);
    const delimiter = match?.[3];
    if (!match || delimiter === undefined) continue;
    let name: string;
    try {
      name = expandWord(delimiter, () => undefined, escapeToken, { keepVariables: true });
    } catch {
      continue; // an unfinished quote: the shell's business
    }
    if (name === '' || /\s/.test(name)) continue;
    heads.push({
      name,
      isExpanded: name === delimiter,
      isChomped: match[2] === '-',
      descriptor: match[1] ?? '',
    });
  }
  return heads;
}

export function splitKeyword(text: string): { keyword: string; rest: string } {
  const match = /^(\S+)\s*([\s\S]*)$/.exec(text.trimStart());
  return { keyword: (match?.[1] ?? '').toUpperCase(), rest: match?.[2] ?? '' };
}

function isBlankOrComment(text: string): boolean {
  return /^\s*(#.*)?$/.test(text);
}
