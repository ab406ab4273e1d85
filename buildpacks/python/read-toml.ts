// Reads TOML as far as pyproject.toml and Pipfile use it: tables, arrays, strings, dotted keys, inline tables. Numbers and dates stay text.
// Pure; used by project-files.ts. What it cannot read is refused with its line, never guessed.
import { AppError } from '@berth/kit/errors.ts';

export type TomlValue = string | boolean | TomlValue[] | TomlTable;
export interface TomlTable {
  [key: string]: TomlValue;
}

/** Deeper nesting is no project file. */
const maxDepth = 32;
const simpleEscapes: Record<string, string> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\u001b' };

/** `file` names the text in errors. */
export function readToml(text: string, file: string): TomlTable {
  return new Reader(text.replaceAll('\r\n', '\n'), file).document();
}

export function isTable(value: TomlValue | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value);
}

class Reader {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  document(): TomlTable {
    const root = emptyTable();
    let table = root;
    for (;;) {
      this.#skip(/[\s]*(?:#[^\n]*\s*)*/y);
      if (this.#at >= this.#text.length) return root;
      if (this.#take('[[')) {
        table = this.#appendTable(root, this.#keyPath());
        this.#expect(']]');
      } else if (this.#take('[')) {
        table = this.#openTable(root, this.#keyPath());
        this.#expect(']');
      } else this.#assignment(table);
      this.#skip(/[ \t]*(?:#[^\n]*)?/y);
      if (this.#at < this.#text.length && !this.#take('\n')) this.#fail();
    }
  }

  #assignment(table: TomlTable, depth = 0): void {
    const path = this.#keyPath();
    this.#expect('=');
    const last = path.pop() ?? '';
    this.#openTable(table, path)[last] = this.#value(depth);
  }

  #keyPath(): string[] {
    const path: string[] = [];
    do {
      this.#skip(/[ \t]*/y);
      const quoted = this.#text[this.#at] === '"' || this.#text[this.#at] === "'";
      path.push(quoted ? this.#string() : (this.#match(/[\w-]+/y) ?? this.#fail()));
      this.#skip(/[ \t]*/y);
    } while (this.#take('.'));
    return path;
  }

  #value(depth: number): TomlValue {
    if (depth > maxDepth) this.#fail();
    this.#skip(/[ \t]*/y);
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#string();
    if (this.#take('[')) return this.#array(depth);
    if (this.#take('{')) return this.#inlineTable(depth);
    const word = this.#match(/[\w.:+-]+(?: \d[\d:.+Z-]*)?/y) ?? this.#fail();
    return word === 'true' ? true : word === 'false' ? false : word;
  }

  #array(depth: number): TomlValue[] {
    const items: TomlValue[] = [];
    for (;;) {
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (this.#take(']')) return items;
      items.push(this.#value(depth + 1));
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (!this.#take(',') && this.#text[this.#at] !== ']') this.#fail();
    }
  }

  #inlineTable(depth: number): TomlTable {
    const table = emptyTable();
    for (;;) {
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (this.#take('}')) return table;
      this.#assignment(table, depth + 1);
      this.#skip(/\s*(?:#[^\n]*\s*)*/y);
      if (!this.#take(',') && this.#text[this.#at] !== '}') this.#fail();
    }
  }

  #string(): string {
    for (const quote of ['"""', "'''", '"', "'"]) {
      if (!this.#take(quote)) continue;
      const end = this.#endOfString(quote);
      const raw = this.#text.slice(this.#at, end);
      if (quote.length === 1 && raw.includes('\n')) this.#fail();
      this.#at = end + quote.length;
      const content = quote.length === 3 ? raw.replace(/^\n/, '') : raw;
      return quote.startsWith("'") ? content : withoutEscapes(content);
    }
    return this.#fail();
  }

  #endOfString(quote: string): number {
    for (let at = this.#at; at < this.#text.length; at++) {
      if (this.#text[at] === '\\' && quote.startsWith('"')) at++;
      else if (this.#text.startsWith(quote, at)) return at;
    }
    return this.#fail();
  }

  #openTable(from: TomlTable, path: readonly string[]): TomlTable {
    let table = from;
    for (const key of path) {
      const known = table[key];
      const inner = Array.isArray(known) ? known.at(-1) : known;
      if (inner === undefined) {
        const made = emptyTable();
        table[key] = made;
        table = made;
      } else if (isTable(inner)) table = inner;
      else this.#fail();
    }
    return table;
  }

  #appendTable(root: TomlTable, path: string[]): TomlTable {
    const last = path.pop() ?? '';
    const parent = this.#openTable(root, path);
    const list = parent[last] ?? [];
    if (!Array.isArray(list)) return this.#fail();
    const made = emptyTable();
    list.push(made);
    parent[last] = list;
    return made;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skip(pattern: RegExp): void {
    this.#match(pattern);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #expect(text: string): void {
    this.#skip(/[ \t]*/y);
    if (!this.#take(text)) this.#fail();
  }

  #fail(): never {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    throw new AppError('invalid', `line ${line} of ${this.#file} is not valid TOML`, {
      hint: 'correct it and push again',
    });
  }
}

/** Without a prototype: a key of the tree may be called "__proto__". */
function emptyTable(): TomlTable {
  return Object.create(null) as TomlTable;
}

function withoutEscapes(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\s*\n\s*)|(.))/g,
    (_all, short: string | undefined, long: string | undefined, fold: string | undefined, one: string) => {
      const code = short ?? long;
      if (code !== undefined) return codePoint(Number.parseInt(code, 16));
      return fold === undefined ? (simpleEscapes[one] ?? one) : '';
    },
  );
}

function codePoint(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}
