import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type ManifestRecord, RepositoryStore } from './repository-store.ts';

let root = '';
let store: RepositoryStore;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'repositories-'));
  store = new RepositoryStore(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const record = (letter: string, more: Partial<ManifestRecord> = {}): ManifestRecord => ({
  digest: digest(letter),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  size: 9,
  references: [digest('e'), digest('f')],
  ...more,
});

test('a registry nobody has used has no repositories and no roots', async () => {
  assert.deepEqual(await store.names(), []);
  assert.deepEqual(await Array.fromAsync(store.roots()), []);
  assert.equal(await store.exists('a'), false);
});

test('a repository may lie below another, and knows only its own', async () => {
  await store.putManifest('a', record('1'), ['v1', 'latest']);
  await store.putManifest('a/b', record('2'), ['v2']);
  await store.linkBlob('a/b/c', digest('e'));
  assert.deepEqual(await store.names(), ['a', 'a/b', 'a/b/c']);
  assert.deepEqual(await store.tags('a'), ['latest', 'v1']);
  assert.deepEqual(await store.tags('a/b/c'), []);
  assert.equal(await store.manifest('a', digest('2')), undefined);
  assert.equal(await store.hasBlob('a/b', digest('e')), false);
  assert.equal(await store.hasBlob('a/b/c', digest('e')), true);
  assert.equal(await store.exists('b'), false);
});

test('a manifest takes its tags along, the others stay', async () => {
  await store.putManifest('a', record('1'), ['one', 'both']);
  await store.putManifest('a', record('2'), ['both']);
  assert.equal(await store.tag('a', 'both'), digest('2'));
  assert.equal(await store.removeManifest('a', digest('1')), true);
  assert.deepEqual(await store.tags('a'), ['both']);
  assert.equal(await store.removeManifest('a', digest('1')), false);
  assert.equal(await store.removeTag('a', 'both'), true);
  assert.equal(await store.removeTag('a', 'both'), false);
  assert.deepEqual((await store.manifest('a', digest('2')))?.references, record('2').references);
});

test('referrers are found by their subject, also before it is there', async () => {
  const subject = digest('9');
  await store.putManifest('a', record('1', { subject, artifactType: 'sbom' }), []);
  await store.putManifest('a', record('2', { subject }), ['signature']);
  const found = await store.referrers('a', subject);
  assert.deepEqual(found, [record('1', { subject, artifactType: 'sbom' }), record('2', { subject })]);
  await store.removeManifest('a', digest('1'));
  assert.deepEqual(
    (await store.referrers('a', subject)).map((one) => one.digest),
    [digest('2')],
  );
  assert.deepEqual(await store.referrers('b', subject), []);
});

test('the roots are all manifests, what they name, and blobs that were just pushed', async () => {
  await store.putManifest('a', record('1'), []);
  await store.putManifest('a/b', record('2', { references: [digest('d')] }), ['x']);
  await store.linkBlob('a', digest('b'));
  await store.linkBlob('a', digest('c'));
  const links = join(root, 'registry', 'repositories', 'a', '_blobs', 'sha256');
  for (const letter of ['b', 'c']) utimesSync(join(links, letter.repeat(64)), 0, 0);
  await store.linkBlob('a', digest('c'));
  const roots = await Array.fromAsync(store.roots());
  assert.deepEqual(roots.sort(), ['1', '2', 'c', 'd', 'e', 'f'].map(digest));
});

test('a file that a crash left half-way is no tag', async () => {
  await store.putManifest('a', record('1'), ['v1.tag']);
  const folder = join(root, 'registry', 'repositories', 'a', '_tags');
  writeFileSync(join(folder, 'v2.tag.tmp-0123456789ab'), '');
  writeFileSync(join(folder, 'v3.tag'), '');
  assert.deepEqual(await store.tags('a'), ['v1.tag', 'v3']);
  assert.equal(await store.tag('a', 'v3'), undefined);
});

test('many changes at once end with each in its place', async () => {
  const letters = ['1', '2', '3', '4', '5'];
  await Promise.all(letters.map((letter) => store.putManifest('a', record(letter), [`t${letter}`, 'same'])));
  assert.deepEqual(await store.tags('a'), ['same', ...letters.map((letter) => `t${letter}`)]);
  assert.equal(await store.tag('a', 'same'), digest('5'));
});
