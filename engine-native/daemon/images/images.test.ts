// Tests of image names and image ids.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson, digestOf, parseImageConfig } from './image-config.ts';
import { familiarReference, normaliseReference, parseReference, splitReference } from './references.ts';

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
