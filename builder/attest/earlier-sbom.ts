// What an image was made of before it was put on another stack: its SBOM without the packages of the operating system, which are read anew.
// Called by attest-build.ts for a rebase, which reads no source.
import { field, listOf, textOf } from './fields.ts';
import type { Component, Hash, Inventory } from './inventory.ts';

/** When its commit was made, in seconds since 1970. The text is one that make-sbom.ts has made. */
export function addEarlierSbom(text: string, into: Inventory): number {
  const sbom: unknown = JSON.parse(text);
  const kept = listOf(field(sbom, 'components')).filter((component) => !isSystem(component));
  for (const component of kept) into.add(componentOf(component));
  const root = textOf(field(field(sbom, 'metadata'), 'component'), 'bom-ref');
  for (const dependency of listOf(field(sbom, 'dependencies'))) {
    const ref = textOf(dependency, 'ref') ?? '';
    for (const needed of listOf(field(dependency, 'dependsOn')).map(String)) {
      if (!into.has(needed)) continue;
      if (ref === root) into.direct.add(needed);
      else if (into.has(ref)) into.needs(ref, needed);
    }
  }
  for (const note of listOf(field(field(sbom, 'metadata'), 'properties')))
    into.notes.push(textOf(note, 'value') ?? '');
  return Date.parse(textOf(field(sbom, 'metadata'), 'timestamp') ?? '') / 1000 || 0;
}

/** As make-sbom.ts shows it, back again. */
function componentOf(shown: unknown): Component {
  const optional = (name: 'group' | 'purl' | 'scope') => {
    const text = textOf(shown, name);
    return text === undefined ? {} : { [name]: text };
  };
  const hashes = (value: unknown) => listOf(field(value, 'hashes')) as Hash[];
  const archives = listOf(field(shown, 'externalReferences')).map((reference) => ({
    name: decodeURIComponent(textOf(reference, 'url') ?? ''),
    hashes: hashes(reference),
  }));
  const properties = listOf(field(shown, 'properties')).map((property): [string, string] => [
    textOf(property, 'name') ?? '',
    textOf(property, 'value') ?? '',
  ]);
  return {
    type: textOf(shown, 'type') as Component['type'],
    name: textOf(shown, 'name') ?? '',
    version: textOf(shown, 'version') ?? '',
    ...optional('group'),
    ...optional('purl'),
    ...optional('scope'),
    ...(hashes(shown).length === 0 ? {} : { hashes: hashes(shown) }),
    ...(archives.length === 0 ? {} : { archives }),
    ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
  };
}

function isSystem(component: unknown): boolean {
  return (
    textOf(component, 'type') === 'operating-system' ||
    /^pkg:(deb|apk)\//.test(textOf(component, 'purl') ?? '')
  );
}
