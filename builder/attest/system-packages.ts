// Packages of the operating system in an image: Debian's list and its fragments (status.d, where our package layers and distroless images write
// theirs), Alpine's list. Read through the engine once for the same layers. Called by attest-build.ts; must never start anything in the image.
import type { ImageDocuments } from '@berth/clients/image-documents.ts';
import type { Component, Inventory } from './inventory.ts';
import { systemPurl } from './purl.ts';
import { filesOfTar } from './read-tar.ts';

type Engine = Pick<ImageDocuments, 'imageArchive'>;

/** The lists of a desktop's three thousand packages. */
const maxListBytes = 32 * 1024 * 1024;
/** So many different bases are remembered: stacks and their package layers. */
const maxRemembered = 32;
const remembered = new Map<string, Promise<SystemPackages>>();

export interface SystemPackages {
  /** "debian", "alpine" */
  vendor: string;
  /** "13" */
  release: string;
  /** "Debian GNU/Linux 13 (trixie)" */
  name: string;
  packages: SystemPackage[];
}

export interface SystemPackage {
  kind: 'deb' | 'apk';
  name: string;
  version: string;
  arch: string;
  /** Source package, with its version where that differs: Debian's advisories speak of it. */
  upstream: string | undefined;
  /** Names, of alternatives each. */
  needs: string[][];
}

/** `layers`: the image's layers that can hold packages; the same layers have the same packages. */
export function readSystemPackages(
  engine: Engine,
  image: string,
  layers: readonly string[],
): Promise<SystemPackages> {
  const key = layers.join(' ');
  const known = remembered.get(key);
  if (known) return known;
  const reading = readAll(engine, image);
  remembered.set(key, reading);
  reading.catch(() => remembered.delete(key)); // asked again the next time
  if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value ?? '');
  return reading;
}

async function readAll(engine: Engine, image: string): Promise<SystemPackages> {
  const read = async (path: string) => {
    const archive = await engine.imageArchive(image, path);
    return archive === undefined ? [] : filesOfTar(archive, maxListBytes);
  };
  const release = (await read('/etc/os-release'))[0] ?? (await read('/usr/lib/os-release'))[0] ?? '';
  const about = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  const debian = [...(await read('/var/lib/dpkg/status')), ...(await read('/var/lib/dpkg/status.d'))];
  const alpine = await read('/lib/apk/db/installed');
  return {
    vendor: about('ID') || (debian.length > 0 ? 'debian' : 'linux'),
    release: about('VERSION_ID'),
    name: about('PRETTY_NAME'),
    packages: [...debian.flatMap(debianPackages), ...alpine.flatMap(alpinePackages)],
  };
}

/** A layer's own version of a package comes after the stack's and takes its place. */
export function addSystemPackages(
  { vendor, release, name, packages }: SystemPackages,
  into: Inventory,
): void {
  if (name !== '')
    into.direct.add(
      into.add({
        type: 'operating-system',
        name: vendor,
        version: release,
        properties: { 'berth:os': name },
      }),
    );
  const refs = new Map<string, string>();
  const byName = new Map(packages.map((one) => [one.name, one]));
  for (const one of byName.values()) refs.set(one.name, into.add(componentOf(one, vendor, release)));
  for (const { name: from, needs } of byName.values()) {
    const ref = refs.get(from) ?? '';
    into.direct.add(ref);
    for (const alternatives of needs) {
      const needed = alternatives.map((each) => refs.get(each)).find((each) => each !== undefined);
      if (needed !== undefined) into.needs(ref, needed);
    }
  }
}

function componentOf(
  { kind, name, version, arch, upstream }: SystemPackage,
  vendor: string,
  release: string,
): Component {
  const distro = release === '' ? vendor : `${vendor}-${release}`;
  return {
    type: 'library',
    name,
    version,
    purl: systemPurl(kind, vendor, name, version, { arch, distro, upstream }),
  };
}

export function debianPackages(list: string): SystemPackage[] {
  return list.split(/\n{2,}/).flatMap((paragraph) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*)$`, 'mi').exec(paragraph)?.[1]?.trim() ?? '';
    const [name, version, status] = [field('Package'), field('Version'), field('Status')];
    // A fragment may have no status; what was removed and left its settings behind is not installed.
    if (name === '' || version === '' || (status !== '' && !/ (installed|triggers-\w+)$/.test(status)))
      return [];
    const [, source = '', sourceVersion] = /^(\S+)(?:\s+\(([^)]+)\))?$/.exec(field('Source')) ?? [];
    const upstream =
      source === '' ? undefined : sourceVersion === undefined ? source : `${source}@${sourceVersion}`;
    const needs = `${field('Pre-Depends')},${field('Depends')}`
      .split(',')
      .map((group) => group.split('|').map((one) => one.trim().replace(/[\s:(].*$/, '')))
      .filter(([first]) => first !== '');
    return [{ kind: 'deb', name, version, arch: field('Architecture'), upstream, needs }];
  });
}

export function alpinePackages(list: string): SystemPackage[] {
  const paragraphs = list
    .split(/\n{2,}/)
    .map((text) => new Map(text.split('\n').map((line) => [line.slice(0, 2), line.slice(2)])));
  const provider = new Map<string, string>();
  for (const one of paragraphs)
    for (const provided of (one.get('p:') ?? '').split(' '))
      provider.set(provided.replace(/[<>=~].*$/, ''), one.get('P:') ?? '');
  return paragraphs.flatMap((one) => {
    const [name = '', version = ''] = [one.get('P:'), one.get('V:')];
    if (name === '' || version === '') return [];
    const needs = (one.get('D:') ?? '')
      .split(' ')
      .filter((need) => need !== '' && !need.startsWith('!'))
      .map((need) => need.replace(/[<>=~].*$/, ''))
      .map((need) => [need, provider.get(need) ?? need]);
    const origin = one.get('o:');
    return [
      {
        kind: 'apk',
        name,
        version,
        arch: one.get('A:') ?? '',
        upstream: origin === name ? undefined : origin,
        needs,
      },
    ];
  });
}
