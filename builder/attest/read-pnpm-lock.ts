// pnpm-lock.yaml (versions 5 to 9) and bun.lock. Pure. Copies of a package for different peers are one component here.
import { field, fieldsOf, listOf } from './fields.ts';
import { integrityHashes } from './hashes.ts';
import type { Inventory } from './inventory.ts';
import { type Branch, inBraces, readIndented } from './read-indented.ts';
import { npmComponent } from './read-npm-lock.ts';

export function readPnpmLock(text: string, into: Inventory): void {
  const lock = readIndented(text);
  const refs = new Map<string, string>();
  for (const [key, entry] of lock.branches.get('packages')?.branches ?? []) {
    const named = nameAndVersion(key);
    if (!named) continue;
    const resolution = entry.texts.get('resolution');
    const integrity =
      inBraces(resolution, 'integrity') ?? entry.branches.get('resolution')?.texts.get('integrity');
    refs.set(
      `${named.name}@${named.version}`,
      into.add(
        npmComponent(named.name, named.version, {
          hashes: integrityHashes(integrity),
          ...(entry.texts.get('dev') === 'true'
            ? { scope: 'excluded' }
            : entry.texts.get('optional') === 'true'
              ? { scope: 'optional' }
              : {}),
        }),
      ),
    );
  }
  const find = ([name, version]: [string, string]) => refs.get(pnpmTarget(name, version));
  for (const part of ['packages', 'snapshots'])
    for (const [key, entry] of lock.branches.get(part)?.branches ?? []) {
      const named = nameAndVersion(key);
      const ref = named && refs.get(`${named.name}@${named.version}`);
      if (ref === undefined) continue;
      for (const need of needsOf(entry)) into.needs(ref, find(need) ?? ref);
    }
  const importers = [lock, ...(lock.branches.get('importers')?.branches.values() ?? [])];
  for (const need of importers.flatMap(needsOf)) into.direct.add(find(need) ?? '');
  into.direct.delete('');
}

/** "/a/1.0.0", "/@s/a@1.0.0(peer@2.0.0)", "a@1.0.0". */
function nameAndVersion(key: string): { name: string; version: string } | undefined {
  const plain = key.replace(/^\//, '').replace(/\(.*$/, '');
  const [, name, version] =
    /^((?:@[^/@]+\/)?[^/@]+)@(\d[^@/]*)$/.exec(plain) ??
    /^((?:@[^/@]+\/)?[^/@]+)\/(\d[^/_]*)(?:_.*)?$/.exec(plain) ??
    [];
  return name === undefined || version === undefined ? undefined : { name, version };
}

function pnpmTarget(name: string, version: string): string {
  const named = nameAndVersion(version);
  return named ? `${named.name}@${named.version}` : `${name}@${version.replace(/[(_].*$/, '')}`;
}

function needsOf(entry: Branch): [string, string][] {
  return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) => {
    const needs = entry.branches.get(kind);
    const written = [...(needs?.branches ?? [])].map(([name, { texts }]): [string, string] => [
      name,
      texts.get('version') ?? '',
    ]);
    return [...(needs?.texts ?? []), ...written];
  });
}

/** JSON with commas behind last items and comments, as Bun writes it. A package is ["name@version", registry, facts, integrity]. */
export function readBunLock(text: string, into: Inventory): void {
  const json = text.replace(
    /("(?:[^"\\]|\\.)*")|\/\/[^\n]*|,(?=\s*[}\]])/g,
    (_, quoted?: string) => quoted ?? '',
  );
  const lock: unknown = JSON.parse(json);
  const packages = Object.entries(fieldsOf(field(lock, 'packages')));
  const refs = new Map<string, string>();
  for (const [place, entry] of packages) {
    const [id, , , integrity] = listOf(entry);
    const [, name, version] = /^(@?[^@]+)@(\d.*)$/.exec(typeof id === 'string' ? id : '') ?? [];
    if (name === undefined || version === undefined) continue;
    refs.set(place, into.add(npmComponent(name, version, { hashes: integrityHashes(integrity) })));
  }
  const find = (place: string, name: string) => refs.get(`${place}/${name}`) ?? refs.get(name);
  for (const [place, entry] of packages)
    for (const name of namesIn(listOf(entry)[2])) {
      const [ref, needed] = [refs.get(place), find(place, name)];
      if (ref !== undefined && needed !== undefined) into.needs(ref, needed);
    }
  for (const member of Object.values(fieldsOf(field(lock, 'workspaces'))))
    for (const name of [...namesIn(member), ...Object.keys(fieldsOf(field(member, 'devDependencies')))])
      into.direct.add(refs.get(name) ?? '');
  into.direct.delete('');
}

function namesIn(facts: unknown): string[] {
  return ['dependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.keys(fieldsOf(field(facts, kind))),
  );
}
