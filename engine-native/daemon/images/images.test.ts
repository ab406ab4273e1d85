// Tests of image names, image ids and of reading files out of layers.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { canonicalJson, digestOf, parseImageConfig } from './image-config.ts';
import { readImageFile } from './image-file.ts';
import { familiarReference, normaliseReference, parseReference, splitReference } from './references.ts';

const dir = mkdtempSync(join(tmpdir(), 'images-'));
after(() => rmSync(dir, { recursive: true }));

test('names have one normal form', () => {
  const normal = [
    ['app', 'app:latest'],
    ['docker.io/library/app:v1', 'app:v1'],
    ['registry.local:5000/team/app', 'registry.local:5000/team/app:latest'],
    ['team/app:v1', 'team/app:v1'],
  ] as const;
  for (const [raw, wanted] of normal) assert.equal(normaliseReference(raw), wanted);
  assert.equal(normaliseReference('app', 'v2'), 'app:v2');
  assert.deepEqual(splitReference('registry.local:5000/app:v1'), {
    name: 'registry.local:5000/app',
    tag: 'v1',
  });
  for (const wrong of ['', 'App', 'a b', 'app:', '../x', 'app:-x'])
    assert.throws(() => normaliseReference(wrong), /not an image name/);
});

test('a name says which registry and repository it means', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const meaning = [
    ['app', { domain: 'docker.io', path: 'library/app' }],
    ['team/app:v1', { domain: 'docker.io', path: 'team/app', tag: 'v1' }],
    ['index.docker.io/app', { domain: 'docker.io', path: 'library/app' }],
    ['localhost/app', { domain: 'localhost', path: 'app' }],
    [`h.example:5000/a/b:t@${digest}`, { domain: 'h.example:5000', path: 'a/b', tag: 't', digest }],
    ['[::1]:5000/app', { domain: '[::1]:5000', path: 'app' }],
  ] as const;
  for (const [raw, wanted] of meaning) assert.deepEqual(parseReference(raw), wanted);
  assert.equal(familiarReference(parseReference(`docker.io/library/app:v1@${digest}`)), `app:v1@${digest}`);
  assert.equal(familiarReference(parseReference('docker.io/library/a/b')), 'library/a/b');
  for (const wrong of [
    'app@sha256:12',
    'h.example:5000/',
    'a//b',
    'h.example:x/app',
    'app@md5:abc',
    '-h.x/app',
  ])
    assert.throws(() => parseReference(wrong), /invalid reference format/);
});

test('the order in which a config was written does not change its id', () => {
  const one = canonicalJson({ os: 'linux', config: { Env: ['A=1'], Cmd: null } });
  const other = canonicalJson({ config: { Cmd: null, Env: ['A=1'] }, os: 'linux' });
  assert.equal(digestOf(one), digestOf(other));
  assert.equal(one, '{"config":{"Cmd":null,"Env":["A=1"]},"os":"linux"}');
});

test('a config with a malformed digest is refused', () => {
  assert.throws(
    () => parseImageConfig({ rootfs: { diff_ids: ['sha256:../../etc'] } }),
    /not a sha256 digest/,
  );
  assert.throws(() => parseImageConfig([]), /must be a JSON object/);
});

test('a file is the one of the topmost layer, and links stay inside', () => {
  const [low, high] = [join(dir, 'low'), join(dir, 'high')];
  for (const layer of [low, high]) mkdirSync(join(layer, 'etc'), { recursive: true });
  writeFileSync(join(low, 'etc/a'), 'low');
  writeFileSync(join(low, 'etc/b'), 'only low');
  writeFileSync(join(high, 'etc/a'), 'high');
  symlinkSync('/etc/b', join(high, 'absolute'));
  symlinkSync('../../../../../../../../etc/passwd', join(high, 'escape'));
  writeFileSync(join(high, 'big'), Buffer.alloc(1024 * 1024 + 1));
  const read = (path: string) => readImageFile([low, high], path).toString();
  assert.equal(read('/etc/a'), 'high');
  assert.equal(read('/etc/b'), 'only low');
  assert.equal(read('/absolute'), 'only low');
  assert.throws(() => read('/escape'), /no file "\/escape"/);
  assert.throws(() => read('/etc'), /not a file/);
  assert.throws(() => read('/big'), /larger than 1 MiB/);
  assert.throws(() => read('/etc/a/b'), /no file/);
});
