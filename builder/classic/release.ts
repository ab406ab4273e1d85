// What `bin/release` prints, as data. Called once a build; the text comes out of a build container and is hostile.
// It is YAML of one small shape (Heroku's buildpack API): three known keys, a map or a list below each. What else is there is left aside.
import { processTypePattern } from '@berth/contract/names.ts';

export interface Release {
  processTypes: Record<string, string>;
  /** Defaults: a config var of the same name wins. */
  configVars: Record<string, string>;
  addons: string[];
}

const processTypeName = new RegExp(processTypePattern);
const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Set by the platform, whatever a buildpack says. */
const platformsOwn = /^(PORT|HOME|LD_.*|BASH_ENV|ENV|IFS)$/;
const maxEntries = 100;
const maxChars = 64 * 1024;

export function parseRelease(text: string): Release {
  const release: Release = { processTypes: {}, configVars: {}, addons: [] };
  for (const { section, key, value } of entries(text.slice(0, maxChars))) {
    if (section === 'addons') add(release.addons, key === '' ? value : key);
    if (section === 'default_process_types' && processTypeName.test(key) && value !== '')
      set(release.processTypes, key, value);
    if (section === 'config_vars' && variableName.test(key) && !platformsOwn.test(key))
      set(release.configVars, key, value);
  }
  return release;
}

function set(map: Record<string, string>, key: string, value: string): void {
  if (Object.keys(map).length < maxEntries) map[key] = value;
}

function add(list: string[], value: string): void {
  if (value !== '' && list.length < maxEntries) list.push(value.slice(0, 200));
}

interface Entry {
  section: string;
  key: string;
  value: string;
}

/** Two levels: `section:` at the margin, below it `key: value`, `- item`, or `key: |` with a block; also `{a: b}` and `[a, b]` on one line. */
function* entries(text: string): Generator<Entry> {
  const lines = text.split(/\r\n|\r|\n/);
  let section = '';
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (/^\s*(#.*)?$/.test(line) || /^(---|\.\.\.)/.test(line)) continue;
    const item = /^\s*-\s+(.*)$/.exec(line);
    if (item) {
      yield { section, key: '', value: scalar(item[1] ?? '') };
      continue;
    }
    const pair = /^(\s*)(?::?)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s:'"][^:]*?)\s*:(?:\s+(.*))?$/.exec(line);
    if (!pair) continue;
    const [, margin = '', rawKey = '', rest = ''] = pair;
    if (margin === '') {
      section = scalar(rawKey);
      yield* inline(section, rest.trim());
      continue;
    }
    const block = /^([|>])[+-]?\d?$/.exec(rest.trim());
    if (!block) {
      yield { section, key: scalar(rawKey), value: scalar(rest) };
      continue;
    }
    const body = blockLines(lines, at + 1, margin.length);
    at += body.length;
    const value = body.map((each) => each.trim()).join(block[1] === '|' ? '\n' : ' ');
    yield { section, key: scalar(rawKey), value: value.trim() };
  }
}

function blockLines(lines: readonly string[], from: number, margin: number): string[] {
  const body: string[] = [];
  for (const line of lines.slice(from)) {
    if (line.trim() !== '' && line.length - line.trimStart().length <= margin) break;
    body.push(line);
  }
  return body;
}

/** A flow collection without anything nested: what buildpacks print on one line. */
function* inline(section: string, text: string): Generator<Entry> {
  const inner = /^[{[](.*)[}\]]\s*(?:#.*)?$/.exec(text)?.[1];
  if (inner === undefined) return;
  for (const part of inner.match(/(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,"'])+/g) ?? []) {
    const pair = /^\s*("[^"]*"|'[^']*'|[^:"']+?)\s*:\s+(.*)$/.exec(part);
    if (pair && text.startsWith('{'))
      yield { section, key: scalar(pair[1] ?? ''), value: scalar(pair[2] ?? '') };
    else yield { section, key: '', value: scalar(part) };
  }
}

function scalar(raw: string): string {
  const text = raw.trim();
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  if (double !== undefined) return double.replace(/\\(.)/g, (_, char: string) => escapes[char] ?? char);
  const single = /^'((?:[^']|'')*)'/.exec(text)?.[1];
  if (single !== undefined) return single.replaceAll("''", "'");
  return text.replace(/(^|\s+)#.*$/, '').trim();
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '' };
