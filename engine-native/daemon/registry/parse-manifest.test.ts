import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseManifest } from './parse-manifest.ts';

const image = 'application/vnd.oci.image.manifest.v1+json';
const index = 'application/vnd.oci.image.index.v1+json';
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const blob = (letter: string, mediaType = 'application/octet-stream') => ({
  mediaType,
  digest: digest(letter),
  size: 7,
});
const parse = (value: unknown, type?: string) => parseManifest(Buffer.from(JSON.stringify(value)), type);
const wholeImage = { schemaVersion: 2, mediaType: image, config: blob('c'), layers: [blob('a'), blob('b')] };

test('an image names its config and its layers', () => {
  assert.deepEqual(parse({ ...wholeImage, annotations: { by: 'me' } }, image), {
    mediaType: image,
    references: ['c', 'a', 'b'].map((letter) => ({
      digest: digest(letter),
      size: 7,
      isManifest: false,
      mayBeMissing: false,
    })),
    subject: undefined,
    artifactType: 'application/octet-stream',
    annotations: { by: 'me' },
  });
});

test('an index names manifests, which may be missing, and a subject', () => {
  const parsed = parse(
    { schemaVersion: 2, manifests: [blob('a')], subject: blob('d') },
    `${index}; charset=utf-8`,
  );
  assert.deepEqual(parsed, {
    mediaType: index,
    references: [{ digest: digest('a'), size: 7, isManifest: true, mayBeMissing: true }],
    subject: digest('d'),
    artifactType: undefined,
    annotations: undefined,
  });
});

test('a layer that lies elsewhere may be missing', () => {
  const foreign = blob('a', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip');
  assert.equal(parse({ ...wholeImage, layers: [foreign] }, image).references[1]?.mayBeMissing, true);
});

test('a media type nobody knows is kept, and what it names is read', () => {
  const type = 'application/vnd.example.thing.v3+json';
  assert.deepEqual(parse({ blobs: [blob('a')] }, type).references.length, 1);
  assert.equal(parse({ anything: true, mediaType: type }).mediaType, type);
});

test('what is wrong is refused, each with its reason', () => {
  const cases: [unknown, string, RegExp][] = [
    [{ ...wholeImage, manifests: [] }, image, /has "manifests", which/], // CVE-2021-41190
    [{ schemaVersion: 2, manifests: [], layers: [] }, index, /has "layers", which/],
    [{ schemaVersion: 2, manifests: [], config: blob('a') }, index, /has "config", which/],
    [wholeImage, index, /has media type ".*" and was sent as/],
    [{ ...wholeImage, schemaVersion: 1 }, image, /no schemaVersion 2/],
    [{ ...wholeImage, layers: undefined }, image, /no list of layers/],
    [{ ...wholeImage, config: undefined }, image, /no config/],
    [
      { ...wholeImage, layers: [{ ...blob('a'), digest: 'sha256:../../x' }] },
      image,
      /digest in "layers\[0\]"/,
    ],
    [{ ...wholeImage, layers: [{ ...blob('a'), size: -1 }] }, image, /no size in "layers\[0\]"/],
    [{ ...wholeImage, layers: [null] }, image, /"layers\[0\]" that is no descriptor/],
    [{ ...wholeImage, subject: 'x' }, image, /"subject" that is no descriptor/],
    [{ ...wholeImage, annotations: { a: 1 } }, image, /annotation that is no string/],
    [{ ...wholeImage, mediaType: 5 }, image, /media type that is not a string/],
    [{}, 'text/html\r\nX: y', /no media type/],
    [[], image, /not a JSON object/],
    [{ schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+prettyjws', /docker schema 1/],
    [{ ...wholeImage, layers: Array.from({ length: 5001 }, () => blob('a')) }, image, /more than 5000/],
  ];
  for (const [value, type, message] of cases)
    assert.throws(() => parse(value, type), { registryCode: 'MANIFEST_INVALID', message });
  assert.throws(() => parseManifest(Buffer.from('{'), image), /not JSON/);
  assert.throws(() => parseManifest(Buffer.from([0x7b, 0xff, 0x7d]), image), /not JSON/);
});
