// What a build's image is made of and how it came to be: written after the build, kept with the image, given out by the engine's registry, gone with it.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { provenanceType } from '@berth/builder/attest/make-provenance.ts';
import { sbomType } from '@berth/builder/attest/make-sbom.ts';
import { freePort } from '../helpers/platform.ts';
import { fixture } from './fixture.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

interface Sbom {
  metadata: { component: { name: string; version: string; 'bom-ref': string } };
  components: {
    'bom-ref': string;
    type: string;
    name: string;
    version: string;
    purl?: string;
    scope?: string;
  }[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

let bench: Workbench;
let registry: string;

before(async () => {
  registry = `127.0.0.1:${await freePort()}`;
  // What nobody needs goes at once, so that what stays is needed.
  const engine = {
    BERTH_ENGINE_REGISTRY: registry,
    BERTH_ENGINE_REGISTRY_ANONYMOUS: 'pull',
    BERTH_ENGINE_STORE_GRACE: '0',
  };
  bench = await openWorkbench({}, { name: 'bbatt', engine });
});
after(() => bench?.close());

async function build(files: Files, app: string, vars: Record<string, string> = {}) {
  const made = await bench.build(files, { app, vars });
  assert.equal(made.end?.status, 'succeeded', made.output);
  const { image } = made.end.result;
  await untilAttested(image);
  const sbomText = await read(image, sbomType);
  const sbom = JSON.parse(sbomText) as Sbom;
  checkShape(sbom);
  return { made, image, sbomText, sbom, provenance: await read(image, provenanceType) };
}

/** They are written after the build has ended. */
async function untilAttested(image: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if ((await bench.shop.documents.list(image)).length === 2) return;
    await sleep(25);
  }
  assert.fail('no SBOM and provenance after 15 seconds');
}

async function read(image: string, type: string): Promise<string> {
  const document = await bench.shop.documents.read(image, type);
  assert.ok(document, `no ${type}`);
  return text(document);
}

/** What CycloneDX asks beyond the types: references are unique, and each that is named is there. */
function checkShape(sbom: Sbom): void {
  const refs = sbom.components.map((component) => component['bom-ref']);
  const all = new Set([sbom.metadata.component['bom-ref'], ...refs]);
  assert.equal(all.size, refs.length + 1);
  assert.deepEqual(new Set(sbom.dependencies.map(({ ref }) => ref)), all);
  for (const { dependsOn = [] } of sbom.dependencies)
    for (const ref of dependsOn) assert.ok(all.has(ref), ref);
  for (const { name, version, type } of sbom.components) assert.ok(name && version && type, name);
}

function purls({ components }: Sbom, start: string): string[] {
  return components.flatMap(({ purl }) => (purl?.startsWith(start) ? [purl] : []));
}

test('a Node app: packages with what they need, the runtime, the packages of the stack', async () => {
  const { image, sbom, sbomText, provenance, made } = await build(fixture('express'), 'shop', {
    API_TOKEN: 'a-very-secret-value',
  });
  const npm = purls(sbom, 'pkg:npm/express@');
  assert.equal(npm.length, 1);
  const root = sbom.dependencies.find(({ ref }) => ref === sbom.metadata.component['bom-ref']);
  assert.ok(root?.dependsOn?.includes(npm[0] ?? ''));
  assert.ok((sbom.dependencies.find(({ ref }) => ref === npm[0])?.dependsOn ?? []).length > 10);
  assert.deepEqual(purls(sbom, 'pkg:generic/node@'), [`pkg:generic/node@${bench.shop.platformNode.version}`]);
  assert.match(purls(sbom, 'pkg:deb/debian/libc6@').join(), /arch=\w+&distro=debian-13/);
  assert.doesNotMatch(sbomText + provenance, /a-very-secret-value/);
  const { started } = made;
  const statement = JSON.parse(provenance) as {
    _type: string;
    subject: unknown;
    predicateType: string;
    predicate: { buildDefinition: { buildType: string; resolvedDependencies: { digest: object }[] } };
  };
  assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
  assert.equal(statement.predicateType, 'https://slsa.dev/provenance/v1');
  assert.deepEqual(statement.subject, [{ name: 'shop', digest: { sha256: image.slice(7) } }]);
  const { buildType, resolvedDependencies } = statement.predicate.buildDefinition;
  assert.equal(buildType, 'urn:berth:build:node:v1');
  assert.deepEqual(resolvedDependencies[0]?.digest, { gitCommit: started.commit, gitTree: started.tree });
  assert.match(JSON.stringify(resolvedDependencies[1]), /"stack","digest":\{"sha256":"[0-9a-f]{64}"/);
});

test('a Python app: the locked packages, and Python with what a package layer brought', async () => {
  const { sbom } = await build(fixture('fastapi-uv'), 'api');
  assert.equal(purls(sbom, 'pkg:pypi/fastapi@').length, 1);
  assert.equal(purls(sbom, 'pkg:pypi/starlette@').length, 1);
  assert.equal(purls(sbom, 'pkg:deb/debian/python3.').length >= 1, true, purls(sbom, 'pkg:deb').join('\n'));
});

test("a site: no packages but the system's; the registry gives its documents, and they go with it", async () => {
  const site = { 'index.html': '<h1>hello</h1>' };
  const { image, sbom, sbomText } = await build(site, 'site');
  assert.deepEqual(purls(sbom, 'pkg:npm/'), []);
  assert.equal(purls(sbom, 'pkg:generic/node@').length, 1);

  // Built again without anything kept: the same bytes.
  const again = await bench.build(site, { app: 'site', noCache: true });
  assert.equal(again.end?.status === 'succeeded' && again.end.result.image, image);
  await untilAttested(image);
  assert.equal(await read(image, sbomType), sbomText);

  await bench.engine.prune([image]);
  assert.equal(await read(image, sbomType), sbomText);

  await bench.engine.tagImage(image, 'berth/site', 'v1');
  const get = (path: string) =>
    fetch(`http://${registry}/v2/berth/site/${path}`, {
      headers: { Accept: 'application/vnd.oci.image.manifest.v1+json', 'User-Agent': 'berth-engine' },
    });
  const manifest = await get('manifests/v1');
  const subject = manifest.headers.get('docker-content-digest') ?? '';
  const listed = (await (await get(`referrers/${subject}`)).json()) as {
    manifests: { artifactType: string; digest: string }[];
  };
  assert.deepEqual(listed.manifests.map(({ artifactType }) => artifactType).sort(), [
    sbomType,
    provenanceType,
  ]);
  const filtered = await get(`referrers/${subject}?artifactType=${encodeURIComponent(sbomType)}`);
  const [entry] = ((await filtered.json()) as typeof listed).manifests;
  const artifact = (await (await get(`manifests/${entry?.digest}`)).json()) as {
    subject: { digest: string };
    config: { digest: string };
    layers: { digest: string }[];
  };
  assert.equal(artifact.subject.digest, subject);
  assert.equal(await (await get(`blobs/${artifact.config.digest}`)).text(), '{}');
  const blob = `blobs/${artifact.layers[0]?.digest}`;
  assert.equal(await (await get(blob)).text(), sbomText);

  await bench.engine.removeImage('berth/site:v1');
  await bench.engine.removeImage(image, { force: true });
  await assert.rejects(bench.shop.documents.list(image), { code: 'not_found' });
  assert.equal((await get(blob)).status, 404);
});
