// Gemfile.lock, composer.lock, gradle.lockfile and pom.xml. Pure. A pom is no lock file: only what it gives a version itself is known.

import { field, fieldsOf, listOf, textOf } from './fields.ts';
import { hexHashes, prefixedHashes } from './hashes.ts';
import type { Component, Inventory } from './inventory.ts';
import { composerPurl, gemPurl, mavenPurl } from './purl.ts';
import { readMavenDependencies } from './read-pom.ts';

export function readGemfileLock(text: string, into: Inventory): void {
  const gems = new Map<string, { version: string; needs: string[] }>();
  const direct: string[] = [];
  const checksums = new Map<string, string>();
  let part = '';
  let gem: { version: string; needs: string[] } | undefined;
  for (const line of text.split('\n')) {
    if (/^\S/.test(line)) part = line.trim();
    const [, spaces = '', name = '', version = '', rest = ''] =
      /^( +)([\w.-]+)!?(?: \(([^)]*)\))?!?(.*)$/.exec(line) ?? [];
    if (name === '') continue;
    if (part === 'DEPENDENCIES' && spaces.length === 2) direct.push(name);
    else if (part === 'CHECKSUMS') checksums.set(`${name} ${version}`, rest.trim());
    else if (part === 'GEM' && spaces.length === 4 && version !== '') {
      gem = gems.get(name) ?? { version, needs: [] };
      gems.set(name, gem); // of several platforms the first
    } else if (part === 'GEM' && spaces.length === 6) gem?.needs.push(name);
  }
  const refs = new Map<string, string>();
  for (const [name, { version }] of gems) {
    const plainVersion = version.replace(/-(?![0-9]).*$/, '');
    const hashes = prefixedHashes(checksums.get(`${name} ${version}`));
    refs.set(
      name,
      into.add({ ...library(name, plainVersion), purl: gemPurl(name, plainVersion), ...given(hashes) }),
    );
  }
  for (const [name, { needs }] of gems) connect(into, refs.get(name), needs, refs);
  for (const name of direct) into.direct.add(refs.get(name) ?? '');
  into.direct.delete('');
}

export function readComposerLock(text: string, into: Inventory): void {
  const lock: unknown = JSON.parse(text);
  const refs = new Map<string, string>();
  const entries = ['packages', 'packages-dev'].flatMap((part) =>
    listOf(field(lock, part)).map((entry) => ({ part, entry })),
  );
  for (const { part, entry } of entries) {
    const [name = '', version = ''] = [textOf(entry, 'name'), textOf(entry, 'version')];
    const [vendor = '', short = ''] = name.split('/', 2);
    if (short === '' || version === '') continue;
    const component: Component = {
      ...library(short, version),
      group: vendor,
      purl: composerPurl(name, version),
      ...given(hexHashes('sha1', textOf(field(entry, 'dist'), 'shasum'))),
      ...(part === 'packages' ? {} : { scope: 'excluded' }),
    };
    refs.set(name, into.add(component));
  }
  const needed = new Set<string>();
  for (const { entry } of entries) {
    const needs = Object.keys(fieldsOf(field(entry, 'require')));
    connect(into, refs.get(textOf(entry, 'name') ?? ''), needs, refs);
    for (const name of needs) needed.add(name);
  }
  for (const [name, ref] of refs) if (!needed.has(name)) into.direct.add(ref);
}

/** "group:artifact:version=compileClasspath,runtimeClasspath" */
export function readGradleLock(text: string, into: Inventory): void {
  for (const line of text.split('\n')) {
    const [, group, artifact, version, uses = ''] =
      /^([\w.-]+):([\w.-]+):([^=:\s]+)=([\w,.-]*)$/.exec(line.trim()) ?? [];
    if (group === undefined || artifact === undefined || version === undefined) continue;
    const isAtRunTime = uses.split(',').some((use) => /^(?!test).*runtimeClasspath$/i.test(use));
    into.direct.add(into.add(maven(group, artifact, version, isAtRunTime ? {} : { scope: 'excluded' })));
  }
}

export function readPom(text: string, file: string, into: Inventory): void {
  let open = 0;
  for (const { group, artifact, version, scope } of readMavenDependencies(text, file)) {
    if (version === undefined) open++;
    else {
      const isExcluded = scope === 'test' || scope === 'provided';
      into.direct.add(into.add(maven(group, artifact, version, isExcluded ? { scope: 'excluded' } : {})));
    }
  }
  const managed = open === 0 ? '' : `${open} dependencies of ${file} whose version stands elsewhere, and `;
  into.notes.push(`${managed}what the dependencies of ${file} need themselves`);
}

function maven(group: string, name: string, version: string, more: Partial<Component>): Component {
  return { ...library(name, version), group, purl: mavenPurl(group, name, version), ...more };
}

function library(name: string, version: string): Component {
  return { type: 'library', name, version };
}

function given(hashes: NonNullable<Component['hashes']>): Pick<Component, 'hashes'> {
  return hashes.length === 0 ? {} : { hashes };
}

function connect(
  into: Inventory,
  ref: string | undefined,
  needs: readonly string[],
  refs: ReadonlyMap<string, string>,
): void {
  for (const name of needs) {
    const needed = refs.get(name);
    if (ref !== undefined && needed !== undefined) into.needs(ref, needed);
  }
}
