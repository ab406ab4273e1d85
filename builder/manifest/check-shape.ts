// Holds a parsed file against its schema and says the first mistake with its line, or what it means when there is none. Pure; used for both files.
// Knows as much of JSON Schema as the schemas of apps/contract/manifest.ts use.
import { closest } from '@berth/kit/suggest.ts';
import type { TSchema } from '@sinclair/typebox';
import { type Located, type LocatedTable, problemAt } from '../source/located.ts';

interface Schema {
  type?: string;
  description?: string;
  examples?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean;
  items?: Schema;
  anyOf?: Schema[];
  const?: unknown;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  maxItems?: number;
}

export interface ShapeCheck {
  file: string;
  schema: TSchema;
  /** How a place is spoken of: `[build]` of a TOML, `"env"` of a JSON. */
  describe: (path: readonly string[]) => string;
  /** A key that the schema does not have, where the schema does not forbid it. */
  onUnknownKey?: (key: string, line: number, among: readonly string[], path: readonly string[]) => void;
}

/** `invalid` with the line of the first mistake. */
export function checkShape(value: Located, check: ShapeCheck): void {
  walk(value, check.schema as Schema, [], check);
}

function walk(value: Located, schema: Schema, path: readonly string[], check: ShapeCheck): void {
  if (schema.anyOf) walkUnion(value, schema.anyOf, path, check, schema);
  else if (schema.type === 'object') walkTable(value, schema, path, check);
  else if (schema.type === 'array') {
    if (value.kind !== 'array') throw wrong(value, schema, path, check, 'a list');
    if (value.items.length > (schema.maxItems ?? Number.POSITIVE_INFINITY))
      throw wrong(value, schema, path, check, `at most ${schema.maxItems} entries`);
    for (const item of value.items) walk(item, schema.items ?? {}, path, check);
  } else {
    const wanted = scalarProblem(value, schema);
    if (wanted !== undefined) throw wrong(value, schema, path, check, wanted);
  }
}

function walkTable(value: Located, schema: Schema, path: readonly string[], check: ShapeCheck): void {
  if (value.kind !== 'table') throw wrong(value, schema, path, check, 'a table');
  const known = Object.keys(schema.properties ?? {});
  for (const [key, entry] of value.entries) {
    const field = schema.properties?.[key];
    const inner = Object.hasOwn(schema.properties ?? {}, key) ? field : patternField(schema, key);
    if (inner) walk(entry.value, inner, [...path, key], check);
    else refuseKey(key, entry.line, { schema, known, path, check });
  }
  for (const key of schema.required ?? []) requireKey(value, key, path, check);
}

function patternField(schema: Schema, key: string): Schema | undefined {
  for (const [pattern, field] of Object.entries(schema.patternProperties ?? {}))
    if (new RegExp(pattern).test(key)) return field;
  return undefined;
}

function refuseKey(
  key: string,
  line: number,
  at: { schema: Schema; known: readonly string[]; path: readonly string[]; check: ShapeCheck },
): void {
  const { schema, known, path, check } = at;
  if (schema.patternProperties && !check.onUnknownKey)
    throw problemAt(
      check.file,
      line,
      `"${cut(key)}" cannot be a name in ${check.describe(path)}`,
      path[0] === 'env' || path[1] === 'args'
        ? 'use letters, digits and underscores, not starting with a digit'
        : 'names are lower-case letters, digits, "-" and "_", at most 31, beginning with a letter',
    );
  if (schema.additionalProperties === false)
    throw problemAt(
      check.file,
      line,
      `"${cut(key)}" is no key of ${check.describe(path)}${didYouMean(key, known)}`,
      `its keys: ${known.join(', ')}`,
    );
  check.onUnknownKey?.(key, line, known, path);
}

function requireKey(table: LocatedTable, key: string, path: readonly string[], check: ShapeCheck): void {
  if (table.entries.has(key)) return;
  throw problemAt(check.file, table.line, `${check.describe(path)} has no "${key}"`);
}

/** The alternative of the value's own kind; literals are alternatives by themselves. */
function walkUnion(
  value: Located,
  options: Schema[],
  path: readonly string[],
  check: ShapeCheck,
  whole: Schema,
): void {
  const flat = options.flatMap((option) => option.anyOf ?? [option]);
  const fits = flat.find((option) => kindOf(option) === valueKind(value) && option.const === undefined);
  if (fits) {
    walk(value, fits, path, check);
    return;
  }
  const literals = flat.flatMap((option) => (option.const === undefined ? [] : [String(option.const)]));
  if (value.kind === 'value' && literals.includes(String(value.value))) return;
  const found = value.kind === 'value' ? String(value.value) : '';
  const wanted =
    literals.length > 0
      ? `one of ${literals.map((each) => `"${each}"`).join(', ')}${didYouMean(found, literals)}`
      : [...new Set(flat.map((option) => kindWords[kindOf(option)] ?? 'a value'))].join(' or ');
  throw wrong(value, { ...whole, description: '' }, path, check, wanted);
}

type Kind = 'string' | 'number' | 'boolean' | 'table' | 'array' | 'null';
const kindWords: Record<Kind, string> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  table: 'a table',
  array: 'a list',
  null: 'null',
};

function kindOf(schema: Schema): Kind {
  if (schema.type === 'object') return 'table';
  if (schema.type === 'integer') return 'number';
  return (schema.type ?? 'string') as Kind;
}

function valueKind(value: Located): Kind {
  if (value.kind !== 'value') return value.kind;
  return value.value === null ? 'null' : (typeof value.value as Kind);
}

/** What is wanted instead, or undefined when the value fits. */
function scalarProblem(value: Located, schema: Schema): string | undefined {
  if (schema.const !== undefined)
    return value.kind === 'value' && value.value === schema.const ? undefined : `"${String(schema.const)}"`;
  if (valueKind(value) !== kindOf(schema) || value.kind !== 'value') return kindWords[kindOf(schema)];
  const given = value.value;
  if (typeof given === 'number') {
    if (schema.type === 'integer' && !Number.isInteger(given)) return 'a whole number';
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
    return given >= minimum && given <= maximum ? undefined : `between ${minimum} and ${maximum}`;
  }
  if (typeof given !== 'string') return undefined;
  if (given.length < (schema.minLength ?? 0)) return 'not empty';
  if (given.length > (schema.maxLength ?? Number.POSITIVE_INFINITY))
    return `at most ${schema.maxLength} characters long`;
  if (given.includes('\0')) return 'without NUL characters';
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(given))
    return schema.description ?? 'another string';
  return undefined;
}

function wrong(value: Located, schema: Schema, path: readonly string[], check: ShapeCheck, wanted: string) {
  const found = value.kind === 'value' ? `, found ${JSON.stringify(value.value).slice(0, 80)}` : '';
  const example = schema.examples?.map((each) => JSON.stringify(each)).join(' or ');
  return problemAt(
    check.file,
    value.line,
    `${check.describe(path)} must be ${wanted}${example ? `, such as ${example}` : ''}${found}`,
  );
}

export function didYouMean(word: string, among: readonly string[]): string {
  const near = closest(word.toLowerCase(), among);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
