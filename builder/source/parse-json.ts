// Reads JSON (RFC 8259; comments and a comma too many are let through, as Dokku does) and keeps the line of every key. Used for app.json, where a
// wrong key is named with its line.
// `invalid` names the file and the line. A key that is there twice is a mistake, not the last one's win.
import { type Located, type LocatedArray, type LocatedTable, maxDepth, problemAt } from './located.ts';

const scalars: Record<string, boolean | null> = { true: true, false: false, null: null };

class Json {
  readonly #file: string;
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  parse(): Located {
    const value = this.#value(0);
    if (this.#at < this.#text.length) throw this.#unexpected('the end of the file');
    return value;
  }

  #value(depth: number): Located {
    if (depth > maxDepth) throw problemAt(this.#file, this.#line, 'values are nested too deep');
    this.#skip();
    const line = this.#line;
    const value = this.#take('{')
      ? this.#object(line, depth + 1)
      : this.#take('[')
        ? this.#array(line, depth + 1)
        : { kind: 'value' as const, line, value: this.#scalar() };
    this.#skip();
    return value;
  }

  #object(line: number, depth: number): LocatedTable {
    const table: LocatedTable = { kind: 'table', line, entries: new Map() };
    this.#skip();
    if (this.#take('}')) return table;
    do {
      this.#skip();
      const keyLine = this.#line;
      const key = this.#string();
      if (key === undefined) throw this.#unexpected('a key in double quotes');
      if (table.entries.has(key)) throw problemAt(this.#file, keyLine, `"${key}" is there twice`);
      this.#skip();
      if (!this.#take(':')) throw this.#unexpected('":"');
      table.entries.set(key, { line: keyLine, value: this.#value(depth) });
    } while (this.#take(',') && !this.#ends('}'));
    if (!this.#take('}')) throw this.#unexpected('"," or "}"');
    return table;
  }

  #array(line: number, depth: number): LocatedArray {
    const items: Located[] = [];
    this.#skip();
    if (this.#take(']')) return { kind: 'array', line, items };
    do items.push(this.#value(depth));
    while (this.#take(',') && !this.#ends(']'));
    if (!this.#take(']')) throw this.#unexpected('"," or "]"');
    return { kind: 'array', line, items };
  }

  #scalar(): string | number | boolean | null {
    const text = this.#string();
    if (text !== undefined) return text;
    const number = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== undefined) return Number(number);
    const word = this.#match(/true|false|null/y);
    if (word === undefined) throw this.#unexpected('a value');
    return scalars[word] ?? null;
  }

  #string(): string | undefined {
    const raw = this.#match(/"(?:[^"\\\n]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (raw === undefined) return undefined;
    if ([...raw].some((char) => char < ' '))
      throw problemAt(this.#file, this.#line, 'there is a control character');
    return JSON.parse(raw) as string;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** Nothing comes after the comma. */
  #ends(char: string): boolean {
    this.#skip();
    return this.#text[this.#at] === char;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #skip(): void {
    const space = this.#match(/(?:[ \t\r\n]|\/\/[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*/y) ?? '';
    for (const char of space) if (char === '\n') this.#line++;
  }

  #unexpected(wanted: string) {
    const rest = this.#text.slice(this.#at, this.#at + 30).split('\n', 1)[0] ?? '';
    const found = rest.trim() === '' ? 'the end' : `"${rest}"`;
    return problemAt(this.#file, this.#line, `expected ${wanted}, found ${found}`);
  }
}

export function parseJson(file: string, text: string): Located {
  return new Json(file, text).parse();
}
