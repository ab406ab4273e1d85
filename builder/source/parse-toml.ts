// Reads TOML 1.0 and keeps the line of every key. Used for berth.toml and whatever else of a tree is TOML.
// `invalid` names the file and the line. Numbers beyond 53 bits lose digits, as everywhere in JavaScript.
import { type Located, type LocatedArray, type LocatedTable, maxDepth, problemAt } from './located.ts';
import { TomlText } from './toml-text.ts';
import { parseScalar } from './toml-values.ts';

/** How a table came to be; it decides what may still be added to it. */
type Origin = 'implicit' | 'header' | 'dotted' | 'inline';

class Toml {
  readonly #text: TomlText;
  readonly #root = newTable(1);
  readonly #origins = new Map<LocatedTable, Origin>();
  /** Arrays written as `[[name]]`: only these grow. */
  readonly #tableArrays = new Set<LocatedArray>();

  constructor(file: string, text: string) {
    this.#text = new TomlText(file, text);
  }

  parse(): LocatedTable {
    const text = this.#text;
    let current = this.#root;
    for (;;) {
      text.skipBlank();
      if (text.ended) return this.#root;
      if (text.take('[[')) current = this.#tableOfArray();
      else if (text.take('[')) current = this.#tableOfHeader();
      else this.#keyValue(current, 0);
      text.endLine();
    }
  }

  #tableOfHeader(): LocatedTable {
    const { line } = this.#text;
    const path = this.#key();
    this.#text.expect(']');
    const parent = this.#walkHeaders(path);
    const name = path.at(-1) ?? '';
    const known = parent.entries.get(name)?.value;
    if (known === undefined) return this.#add(parent, name, line, 'header');
    if (known.kind !== 'table' || this.#origins.get(known) !== 'implicit')
      throw this.#text.problem(`"${path.join('.')}" is there twice`, line);
    this.#origins.set(known, 'header');
    known.line = line;
    return known;
  }

  #tableOfArray(): LocatedTable {
    const { line } = this.#text;
    const path = this.#key();
    this.#text.expect(']]');
    const parent = this.#walkHeaders(path);
    const name = path.at(-1) ?? '';
    let array = parent.entries.get(name)?.value;
    if (array === undefined) {
      const made: LocatedArray = { kind: 'array', line, items: [] };
      this.#tableArrays.add(made);
      parent.entries.set(name, { line, value: made });
      array = made;
    }
    if (array.kind !== 'array' || !this.#tableArrays.has(array))
      throw this.#text.problem(`"${path.join('.')}" is there twice`, line);
    const table = newTable(line);
    this.#origins.set(table, 'header');
    array.items.push(table);
    return table;
  }

  /** The table that a header's last name belongs to. */
  #walkHeaders(path: string[]): LocatedTable {
    let table = this.#root;
    for (const name of path.slice(0, -1)) {
      const known = table.entries.get(name)?.value;
      const next = known?.kind === 'array' && this.#tableArrays.has(known) ? known.items.at(-1) : known;
      if (next === undefined) table = this.#add(table, name, this.#text.line, 'implicit');
      else if (next.kind === 'table' && this.#origins.get(next) !== 'inline') table = next;
      else throw this.#text.problem(`"${name}" is no table`);
    }
    return table;
  }

  #keyValue(into: LocatedTable, depth: number): void {
    const { line } = this.#text;
    const path = this.#key();
    this.#text.expect('=');
    this.#text.skipSpace();
    let table = into;
    for (const name of path.slice(0, -1)) {
      const known = table.entries.get(name)?.value;
      if (known === undefined) table = this.#add(table, name, line, 'dotted');
      else if (known.kind === 'table' && this.#origins.get(known) === 'dotted') table = known;
      else throw this.#text.problem(`"${name}" is there twice`, line);
    }
    const name = path.at(-1) ?? '';
    if (table.entries.has(name)) throw this.#text.problem(`"${path.join('.')}" is there twice`, line);
    table.entries.set(name, { line, value: this.#value(depth) });
  }

  #key(): string[] {
    const path: string[] = [];
    do {
      this.#text.skipSpace();
      path.push(this.#text.keyPart());
      this.#text.skipSpace();
      if (path.length > maxDepth) throw this.#text.problem('the key has too many parts');
    } while (this.#text.take('.'));
    return path;
  }

  #value(depth: number): Located {
    if (depth > maxDepth) throw this.#text.problem('values are nested too deep');
    const { line } = this.#text;
    if (this.#text.take('[')) return this.#array(line, depth + 1);
    if (this.#text.take('{')) return this.#inlineTable(line, depth + 1);
    return { kind: 'value', line, value: parseScalar(this.#text) };
  }

  #array(line: number, depth: number): Located {
    const items: Located[] = [];
    for (;;) {
      this.#text.skipBlank();
      if (this.#text.take(']')) return { kind: 'array', line, items };
      if (items.length > 0) {
        this.#text.expect(',');
        this.#text.skipBlank();
        if (this.#text.take(']')) return { kind: 'array', line, items };
      }
      items.push(this.#value(depth));
    }
  }

  #inlineTable(line: number, depth: number): Located {
    const table = newTable(line);
    this.#text.skipSpace();
    if (!this.#text.take('}')) {
      do {
        this.#text.skipSpace();
        this.#keyValue(table, depth);
        this.#text.skipSpace();
      } while (this.#text.take(','));
      this.#text.expect('}');
    }
    this.#close(table);
    return table;
  }

  /** Nothing may be added to an inline table, nor to a table that its dotted keys made. */
  #close(table: LocatedTable): void {
    this.#origins.set(table, 'inline');
    for (const { value } of table.entries.values()) if (value.kind === 'table') this.#close(value);
  }

  #add(parent: LocatedTable, name: string, line: number, origin: Origin): LocatedTable {
    const table = newTable(line);
    this.#origins.set(table, origin);
    parent.entries.set(name, { line, value: table });
    return table;
  }
}

function newTable(line: number): LocatedTable {
  return { kind: 'table', line, entries: new Map() };
}

export function parseToml(file: string, text: string): LocatedTable {
  const unix = text.replaceAll('\r\n', '\n');
  let line = 1;
  for (const char of unix) {
    if (char === '\n') line++;
    else if (char !== '\t' && (char < ' ' || char === '\x7f'))
      throw problemAt(file, line, 'there is a control character');
  }
  return new Toml(file, unix).parse();
}
