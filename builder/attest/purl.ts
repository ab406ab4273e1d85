// Package URLs (purl-spec): the name by which scanners know a package, one function for each kind. Pure; everything from a tree is encoded.

type Qualifiers = Readonly<Record<string, string | undefined>>;

function purl(type: string, path: readonly string[], version: string, qualifiers: Qualifiers = {}): string {
  const query = Object.entries(qualifiers)
    .flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name}=${encode(value)}`]))
    .sort()
    .join('&');
  const name = path
    .filter((part) => part !== '')
    .map(encode)
    .join('/');
  return `pkg:${type}/${name}@${encode(version)}${query === '' ? '' : `?${query}`}`;
}

/** The specification leaves the colon as it is and encodes everything else that is not plain. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll('%3A', ':')
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

export const npmPurl = (name: string, version: string) => purl('npm', name.split('/'), version);
export const cargoPurl = (name: string, version: string) => purl('cargo', [name], version);
export const gemPurl = (name: string, version: string) => purl('gem', [name], version);
export const mavenPurl = (group: string, artifact: string, version: string) =>
  purl('maven', [group, artifact], version);
export const composerPurl = (name: string, version: string) =>
  purl('composer', name.toLowerCase().split('/'), version);
export const goPurl = (module: string, version: string) =>
  purl('golang', module.toLowerCase().split('/'), version);
export const genericPurl = (name: string, version: string) => purl('generic', [name], version);
/** PyPI's normal form of a name. */
export const pypiPurl = (name: string, version: string) =>
  purl('pypi', [name.toLowerCase().replace(/[-_.]+/g, '-')], version);
export const systemPurl = (
  type: 'deb' | 'apk',
  vendor: string,
  name: string,
  version: string,
  about: Qualifiers,
) => purl(type, [vendor, name.toLowerCase()], version, about);
