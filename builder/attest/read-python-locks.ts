// uv.lock, poetry.lock (and pdm.lock), Pipfile.lock and requirement files: packages with the archives that may be installed for them. Pure.
// What only developers install is `excluded`: the image does not have it.

import { plain } from '../source/located.ts';
import { parseToml } from '../source/parse-toml.ts';
import { field, fieldsOf, listOf, textOf } from './fields.ts';
import { prefixedHashes } from './hashes.ts';
import type { Component, Inventory } from './inventory.ts';
import { pypiPurl } from './purl.ts';

/** A package of NumPy's kind has some sixty. */
const maxArchives = 300;

interface Locked {
  ref: string | undefined;
  entry: unknown;
}

export function readUvLock(text: string, into: Inventory): void {
  const entries = listOf(field(plain(parseToml('uv.lock', text)), 'package'));
  const named = new Map<string, unknown[]>();
  for (const entry of entries) {
    const name = normalName(textOf(entry, 'name') ?? '');
    named.set(name, [...(named.get(name) ?? []), entry]);
  }
  const isOwn = (entry: unknown) =>
    ['virtual', 'editable', 'directory'].some((kind) => field(field(entry, 'source'), kind) !== undefined);
  const find = (need: unknown): unknown[] => {
    const all = named.get(normalName(textOf(need, 'name') ?? '')) ?? [];
    const version = textOf(need, 'version');
    return version === undefined ? all : all.filter((entry) => textOf(entry, 'version') === version);
  };
  const installed = reachable(entries.filter(isOwn), find);
  const refs = new Map<unknown, string>();
  for (const entry of entries) {
    const version = textOf(entry, 'version');
    if (isOwn(entry) || version === undefined) continue;
    const archives = [field(entry, 'sdist'), ...listOf(field(entry, 'wheels'))].flatMap((archive) =>
      archiveOf(textOf(archive, 'filename') ?? textOf(archive, 'url'), [textOf(archive, 'hash')]),
    );
    refs.set(entry, into.add(pypi(textOf(entry, 'name') ?? '', version, archives, installed.has(entry))));
  }
  for (const entry of entries)
    for (const needed of needsOf(entry, installed.get(entry) ?? new Set()).flatMap(find))
      connect(into, { ref: refs.get(entry), entry }, refs.get(needed), isOwn(entry));
}

/** From what the tree holds on, without its development groups: entries with the extras that are asked of them. */
function reachable(own: unknown[], find: (need: unknown) => unknown[]): Map<unknown, Set<string>> {
  const seen = new Map<unknown, Set<string>>(own.map((entry) => [entry, new Set()]));
  const waiting = [...own];
  for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop())
    for (const need of needsOf(entry, seen.get(entry) ?? new Set()))
      for (const found of find(need)) {
        const before = seen.get(found);
        const extras = listOf(field(need, 'extra')).map(String);
        if (before && extras.every((extra) => before.has(extra))) continue;
        seen.set(found, new Set([...(before ?? []), ...extras]));
        waiting.push(found);
      }
  return seen;
}

function needsOf(entry: unknown, extras: ReadonlySet<string>): unknown[] {
  const optional = fieldsOf(field(entry, 'optional-dependencies'));
  return [
    ...listOf(field(entry, 'dependencies')),
    ...[...extras].flatMap((extra) => listOf(field(optional, extra))),
  ];
}

/** `groups` since Poetry 2, `category` before 1.5; between, and in PDM's file, nothing says so. */
export function readPoetryLock(text: string, into: Inventory): void {
  const lock = plain(parseToml('poetry.lock', text));
  const refs = new Map<string, string>();
  const entries = listOf(field(lock, 'package'));
  for (const entry of entries) {
    const [name, version] = [textOf(entry, 'name'), textOf(entry, 'version')];
    if (name === undefined || version === undefined) continue;
    const old = field(field(field(lock, 'metadata'), 'files'), name);
    const archives = listOf(field(entry, 'files') ?? old).flatMap((archive) =>
      archiveOf(textOf(archive, 'file') ?? textOf(archive, 'url'), [textOf(archive, 'hash')]),
    );
    const groups = listOf(field(entry, 'groups'));
    const isDevelopment =
      groups.length > 0
        ? !groups.includes('main') && !groups.includes('default')
        : textOf(entry, 'category') === 'dev';
    refs.set(normalName(name), into.add(pypi(name, version, archives, !isDevelopment)));
  }
  const needed = new Set<string>();
  for (const entry of entries) {
    const ref = refs.get(normalName(textOf(entry, 'name') ?? ''));
    for (const name of poetryNeeds(field(entry, 'dependencies'))) {
      const target = refs.get(normalName(name));
      if (ref === undefined || target === undefined) continue;
      into.needs(ref, target);
      needed.add(target);
    }
  }
  // The lock file does not say what was asked for: what nobody else needs was.
  for (const ref of refs.values()) if (!needed.has(ref)) into.direct.add(ref);
}

/** Poetry's is a table by name, PDM's a list of requirements. */
function poetryNeeds(value: unknown): string[] {
  if (!Array.isArray(value)) return Object.keys(fieldsOf(value));
  return value.map((need) => /^[\w.-]+/.exec(String(need))?.[0] ?? '');
}

export function readPipfileLock(text: string, into: Inventory): void {
  const lock: unknown = JSON.parse(text);
  for (const part of ['default', 'develop'])
    for (const [name, entry] of Object.entries(fieldsOf(field(lock, part)))) {
      const version = textOf(entry, 'version')?.replace(/^==/, '');
      if (version === undefined) continue;
      const hashes = listOf(field(entry, 'hashes')).map(String);
      const archives = hashes.flatMap((hash) => archiveOf(`${name}-${version}`, [hash]));
      const ref = into.add(pypi(name, version, archives, part === 'default'));
      if (part === 'default') into.direct.add(ref);
    }
}

/** Files by their path, those that others include too. Only what is fixed to one version is known. */
export function readRequirements(texts: readonly string[], into: Inventory): void {
  let open = 0;
  for (const text of texts)
    for (const line of text.replace(/\\\r?\n/g, ' ').split('\n')) {
      const content = line.replace(/(^|\s)#.*$/, '').trim();
      if (content === '' || content.startsWith('-')) continue;
      const [, name, version] =
        /^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([\w.!+-]+)(?=\s|;|$)/.exec(content) ?? [];
      if (name === undefined || version === undefined) open++;
      else {
        const hashes = [...content.matchAll(/--hash[= ](\S+)/g)].map(([, hash]) => hash ?? '');
        const archives = hashes.flatMap((hash) => archiveOf(`${name}-${version}`, [hash]));
        into.direct.add(into.add(pypi(name, version, archives, true)));
      }
    }
  if (open > 0)
    into.notes.push(`${open} requirements without a fixed version, and what the others need beside them`);
}

function connect(into: Inventory, from: Locked, target: string | undefined, isOwn: boolean): void {
  if (target === undefined) return;
  if (isOwn) into.direct.add(target);
  else if (from.ref !== undefined) into.needs(from.ref, target);
}

function pypi(
  name: string,
  version: string,
  archives: NonNullable<Component['archives']>,
  isInstalled: boolean,
): Component {
  return {
    type: 'library',
    name,
    version,
    purl: pypiPurl(name, version),
    ...(isInstalled ? {} : { scope: 'excluded' as const }),
    ...(archives.length === 0 ? {} : { archives: archives.slice(0, maxArchives) }),
  };
}

/** By the file's name alone: its address may be a private registry's, with a password in it. */
function archiveOf(
  address: string | undefined,
  hashes: readonly (string | undefined)[],
): NonNullable<Component['archives']> {
  const name = address
    ?.replace(/[?#].*$/, '')
    .split('/')
    .at(-1);
  const found = hashes.flatMap(prefixedHashes);
  return name === undefined || name === '' || found.length === 0 ? [] : [{ name, hashes: found }];
}

function normalName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}
