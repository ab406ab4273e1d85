// A parsed file that remembers its lines: what a wrong key or value is named with. Made by parse-toml.ts and parse-json.ts, read by whoever
// checks a user's file. Keys come from a pushed tree, so tables are maps: a key named "__proto__" is a key like any other.
import { AppError } from '@berth/kit/errors.ts';

export type Located = LocatedTable | LocatedArray | LocatedValue;

export interface LocatedTable {
  kind: 'table';
  line: number;
  entries: Map<string, LocatedEntry>;
}

export interface LocatedEntry {
  /** Line of the key. */
  line: number;
  value: Located;
}

export interface LocatedArray {
  kind: 'array';
  line: number;
  items: Located[];
}

/** Dates of TOML are strings here. */
export interface LocatedValue {
  kind: 'value';
  line: number;
  value: string | number | boolean | null;
}

/** Deeper nesting is no configuration file; without a bound it would end the process. */
export const maxDepth = 64;

/** The value at a path of keys, or undefined. */
export function at(value: Located | undefined, ...path: string[]): Located | undefined {
  let found = value;
  for (const key of path) found = found?.kind === 'table' ? found.entries.get(key)?.value : undefined;
  return found;
}

export function textOf(value: Located | undefined): string | undefined {
  return value?.kind === 'value' && typeof value.value === 'string' ? value.value : undefined;
}

export function itemsOf(value: Located | undefined): Located[] {
  return value?.kind === 'array' ? value.items : [];
}

export function entriesOf(value: Located | undefined): [string, LocatedEntry][] {
  return value?.kind === 'table' ? [...value.entries] : [];
}

/** One sentence about a place in a file: `berth.toml line 3: …`. */
export function problemAt(file: string, line: number, problem: string, hint?: string): AppError {
  return new AppError('invalid', `${file} line ${line}: ${problem}`, hint === undefined ? {} : { hint });
}

/** Without lines. Every key becomes an own property, "__proto__" too. */
export function plain(value: Located): unknown {
  if (value.kind === 'value') return value.value;
  if (value.kind === 'array') return value.items.map(plain);
  return Object.fromEntries([...value.entries].map(([key, entry]) => [key, plain(entry.value)]));
}
