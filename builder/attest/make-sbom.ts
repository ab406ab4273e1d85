// An inventory as a CycloneDX 1.6 document in JSON. Pure: the same inventory and facts give the same bytes, so there is no clock and no random number.
import { createHash } from 'node:crypto';
import type { Component, Hash, Inventory } from './inventory.ts';

export const sbomType = 'application/vnd.cyclonedx+json';

export interface SbomFacts {
  appName: string;
  commit: string;
  /** Seconds since 1970. */
  commitTime: number;
  image: string;
  /** Of the builder. */
  version: string;
}

export function makeSbom(inventory: Inventory, facts: SbomFacts): string {
  const { appName, commit, commitTime, image, version } = facts;
  const refs = [...inventory.components.keys()].sort();
  const root = `berth:${appName}@${commit}`;
  const body = {
    metadata: {
      timestamp: new Date(commitTime * 1000).toISOString(),
      lifecycles: [{ phase: 'build' }],
      tools: { components: [{ type: 'application', name: 'berth', version }] },
      component: {
        type: 'container',
        'bom-ref': root,
        name: appName,
        version: commit,
        properties: [{ name: 'berth:image', value: image }],
      },
      ...(inventory.notes.length === 0
        ? {}
        : {
            properties: inventory.notes.toSorted().map((value) => ({ name: 'berth:not-in-the-list', value })),
          }),
    },
    components: refs.map((ref) => shown(ref, inventory.components.get(ref))),
    dependencies: [
      { ref: root, dependsOn: [...inventory.direct].filter((ref) => inventory.has(ref)).sort() },
      ...refs.map((ref) => dependency(ref, inventory.needsOf(ref))),
    ],
    compositions: [
      { aggregate: inventory.notes.length === 0 ? 'unknown' : 'incomplete', assemblies: [root] },
    ],
  };
  return `${JSON.stringify({
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: serialNumber(JSON.stringify(body)),
    version: 1,
    ...body,
  })}\n`;
}

function shown(ref: string, component: Component | undefined): object | undefined {
  if (!component) return undefined;
  const { type, group, name, version, purl, hashes, scope, archives, properties } = component;
  return {
    type,
    'bom-ref': ref,
    ...(group === undefined ? {} : { group }),
    name,
    version,
    ...(scope === undefined ? {} : { scope }),
    ...(hashes === undefined ? {} : { hashes: sorted(hashes) }),
    ...(purl === undefined ? {} : { purl }),
    ...(archives === undefined ? {} : { externalReferences: archives.map(archiveReference) }),
    ...(properties === undefined
      ? {}
      : { properties: Object.entries(properties).map(([key, value]) => ({ name: key, value })) }),
  };
}

function archiveReference({ name, hashes }: { name: string; hashes: Hash[] }): object {
  return { type: 'distribution', url: encodeURIComponent(name.toWellFormed()), hashes: sorted(hashes) };
}

function sorted(hashes: readonly Hash[]): Hash[] {
  return hashes.toSorted((a, b) => (a.alg + a.content < b.alg + b.content ? -1 : 1));
}

function dependency(ref: string, dependsOn: string[]): object {
  return dependsOn.length === 0 ? { ref } : { ref, dependsOn };
}

/** A name-based UUID (RFC 9562, version 8): another content has another number. */
function serialNumber(body: string): string {
  const bytes = createHash('sha256').update(body).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `urn:uuid:${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}
