// package-lock.json and npm-shrinkwrap.json, versions 1 to 3: every package with its place in node_modules, found as Node finds it. Pure.
import { type Fields, field, fieldsOf, textOf } from './fields.ts';
import { integrityHashes } from './hashes.ts';
import type { Component, Inventory } from './inventory.ts';
import { npmPurl } from './purl.ts';

const inside = 'node_modules/';
/** Nobody's node_modules are that deep. */
const maxDepth = 100;

export function readNpmLock(text: string, into: Inventory): void {
  const lock: unknown = JSON.parse(text);
  const packages = field(lock, 'packages');
  const places = new Map<string, Fields>(
    packages === undefined
      ? oldPlaces(lock)
      : Object.entries(fieldsOf(packages)).map(([place, entry]) => [place, fieldsOf(entry)]),
  );
  const refs = new Map<string, string>();
  for (const [place, entry] of places) {
    const component = place === '' ? undefined : componentAt(place, entry);
    if (component) refs.set(place, into.add(component));
  }
  for (const [place, entry] of places) {
    const ref = refs.get(place);
    for (const name of neededBy(entry, place === '' || !place.includes(inside))) {
      const needed = refs.get(found(name, place, places) ?? '');
      if (needed === undefined) continue;
      if (place === '') into.direct.add(needed);
      else if (ref !== undefined) into.needs(ref, needed);
    }
  }
}

/** A link to a member of the workspace stands for the member, which has a place of its own. */
function componentAt(place: string, entry: Fields): Component | undefined {
  if (entry['link'] === true) return undefined;
  const isMember = !place.includes(inside);
  const name = textOf(entry, 'name') ?? place.slice(place.lastIndexOf(inside) + inside.length);
  const version = textOf(entry, 'version');
  if (isMember) return memberOf(textOf(entry, 'name') ?? place, version ?? '0.0.0');
  if (version === undefined) return undefined;
  const isDevelopment = entry['dev'] === true || entry['devOptional'] === true;
  return npmComponent(name, version, {
    hashes: integrityHashes(entry['integrity']),
    ...(entry['dev'] === true
      ? { scope: 'excluded' }
      : entry['optional'] === true || isDevelopment
        ? { scope: 'optional' }
        : {}),
  });
}

export function npmComponent(name: string, version: string, more: Partial<Component> = {}): Component {
  const { hashes = [], ...rest } = more;
  return {
    type: 'library',
    ...nameParts(name),
    version,
    purl: npmPurl(name, version),
    ...rest,
    ...(hashes.length === 0 ? {} : { hashes }),
    ...(rest.scope === 'excluded' ? { properties: { 'cdx:npm:package:development': 'true' } } : {}),
  };
}

function memberOf(name: string, version: string): Component {
  return { type: 'library', ...nameParts(name), version };
}

function nameParts(name: string): Pick<Component, 'group' | 'name'> {
  const slash = name.startsWith('@') ? name.indexOf('/') : -1;
  return slash === -1 ? { name } : { group: name.slice(0, slash), name: name.slice(slash + 1) };
}

function neededBy(entry: Fields, isOwn: boolean): string[] {
  const kinds = ['dependencies', 'optionalDependencies', 'peerDependencies', 'requires'];
  if (isOwn) kinds.push('devDependencies');
  return kinds.flatMap((kind) => Object.keys(fieldsOf(entry[kind])));
}

/** As Node looks for a package: in its own node_modules, then in those of the folders above. */
function found(name: string, from: string, places: ReadonlyMap<string, Fields>): string | undefined {
  for (let folder = from; ; ) {
    const place = `${folder === '' ? '' : `${folder}/`}${inside}${name}`;
    const entry = places.get(place);
    if (entry) return entry['link'] === true ? (textOf(entry, 'resolved') ?? place) : place;
    if (folder === '') return undefined;
    folder = above(folder);
  }
}

function above(folder: string): string {
  const cut = folder.lastIndexOf(inside);
  if (cut > 0) return folder.slice(0, cut - 1);
  if (cut === 0) return '';
  return folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/')) : '';
}

/** Version 1 nests what later versions write as paths; `requires` are its dependencies. */
function* oldPlaces(lock: unknown, below = '', depth = 0): Generator<[string, Fields]> {
  if (depth === 0)
    yield [
      '',
      {
        dependencies: Object.fromEntries(
          Object.keys(fieldsOf(field(lock, 'dependencies'))).map((name) => [name, '']),
        ),
      },
    ];
  if (depth > maxDepth) return;
  for (const [name, value] of Object.entries(fieldsOf(field(lock, 'dependencies')))) {
    const place = `${below}${inside}${name}`;
    const { dependencies: _, ...entry } = fieldsOf(value);
    yield [place, entry];
    yield* oldPlaces(value, `${place}/`, depth + 1);
  }
}
