// Tests of what is pure in the registry client: endpoints, challenges, credentials, platforms, manifests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { AppError } from '@berth/kit/errors.ts';
import fc from 'fast-check';
import { parseReference } from '../images/references.ts';
import { parseChallenges } from './challenge.ts';
import { Credentials, readRegistryAuth, registryOf } from './credentials.ts';
import { endpointsFor, isLoopback } from './endpoints.ts';
import { mediaTypes, parseManifest } from './manifest.ts';
import { choosePlatform, parsePlatform, satisfies } from './platform.ts';
import { parseRegistries } from './registries-file.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

test('mirrors come first, in their order, and the registry itself last', () => {
  const registries = parseRegistries({
    registries: {
      'docker.io': { mirrors: ['https://one.example/cache/', 'two.example:5000', 'http://10.0.0.5'] },
      '10.0.0.5': { insecure: true },
    },
  });
  const endpoints = endpointsFor(parseReference('app'), registries);
  assert.deepEqual(
    endpoints.map(({ host, schemes, repository, isMirror }) => [host, schemes.join(), repository, isMirror]),
    [
      ['one.example', 'https', 'cache/library/app', true],
      ['two.example:5000', 'https', 'library/app', true],
      ['10.0.0.5', 'http', 'library/app', true],
      ['registry-1.docker.io', 'https', 'library/app', false],
    ],
  );
});

test('plain HTTP is for loopback and for hosts that were said to be insecure', () => {
  const schemes = (name: string) =>
    endpointsFor(parseReference(name), new Map()).map((endpoint) => endpoint.schemes.join());
  assert.deepEqual(schemes('127.0.0.1:5000/app'), ['https,http']);
  assert.deepEqual(schemes('localhost:5000/app'), ['https,http']);
  assert.deepEqual(schemes('127.0.0.1.example.com/app'), ['https']);
  assert.equal(isLoopback('128.0.0.1'), false);
  const plain = parseRegistries({
    registries: { 'h.example': { mirrors: ['http://far.example'] }, 'i.example': { insecure: true } },
  });
  assert.throws(() => endpointsFor(parseReference('h.example/app'), plain), /plain HTTP/);
  assert.equal(endpointsFor(parseReference('i.example/app'), plain)[0]?.verifiesTls, false);
  assert.throws(() => parseRegistries({ registries: { x: { mirorrs: [] } } }), /unknown setting "mirorrs"/);
});

test('a challenge is read with its quotes, commas and several schemes', () => {
  assert.deepEqual(
    parseChallenges(
      'Bearer realm="https://a.example/token",service="s",scope="repository:a/b:pull,push", Basic realm="x \\"y\\""',
    ),
    [
      {
        scheme: 'bearer',
        parameters: { realm: 'https://a.example/token', service: 's', scope: 'repository:a/b:pull,push' },
      },
      { scheme: 'basic', parameters: { realm: 'x "y"' } },
    ],
  );
  for (const odd of [undefined, '', ',,,', '"', '=x', 'a'.repeat(10_000)])
    assert.ok(parseChallenges(odd).length <= 1);
});

test('credentials are for the registry they were made for, and are never printed', () => {
  const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const auth = header({
    username: 'u',
    password: 'hunter2',
    serveraddress: 'https://registry.example/v2/',
  });
  const own = readRegistryAuth(auth, 'registry.example');
  assert.equal(own.basicHeader(), `Basic ${Buffer.from('u:hunter2').toString('base64')}`);
  assert.equal(readRegistryAuth(auth, 'other.example').basicHeader(), undefined);
  assert.equal(readRegistryAuth(undefined, 'x').basicHeader(), undefined);
  assert.equal(registryOf('https://index.docker.io/v1/'), 'docker.io');
  assert.throws(() => readRegistryAuth('!!', 'x'), /not base64url/);
  const printed = inspect(own, { depth: 9, showHidden: true }) + JSON.stringify(own);
  assert.doesNotMatch(printed, /hunter2/);
  assert.notEqual(own.fingerprint(), new Credentials({ username: 'u' }).fingerprint());
});

test('the best platform of an index is taken', () => {
  const entries = ['linux/arm/v5', 'linux/arm/v7', 'linux/arm64', 'linux/amd64', 'linux/amd64/v3'].map(
    (name) => ({ name, platform: parsePlatform(name) }),
  );
  const chosen = (wanted: string) => choosePlatform(entries, parsePlatform(wanted))?.name;
  assert.equal(chosen('linux/amd64'), 'linux/amd64');
  assert.equal(chosen('linux/arm64/v8'), 'linux/arm64');
  assert.equal(chosen('linux/arm'), 'linux/arm/v7');
  assert.equal(chosen('linux/arm/v6'), 'linux/arm/v5');
  assert.equal(chosen('linux/amd64/v3'), 'linux/amd64/v3');
  assert.equal(chosen('linux/s390x'), undefined);
  assert.equal(
    satisfies(parsePlatform('{"os":"linux","architecture":"amd64"}'), parsePlatform('amd64')),
    true,
  );
  assert.throws(() => parsePlatform('a/b/c/d'), /not a platform/);
});

test('a manifest that could be read two ways, or holds what is not known, is refused', () => {
  const config = { mediaType: mediaTypes.ociConfig, digest: digest('a'), size: 2 };
  const layer = { mediaType: `${mediaTypes.ociLayer}+zstd`, digest: digest('b'), size: 3 };
  const whole = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
  const parsed = parseManifest(JSON.stringify(whole), mediaTypes.ociManifest);
  assert.equal(parsed.kind, 'manifest');
  assert.equal(parsed.kind === 'manifest' && parsed.layers[0]?.compression, 'zstd');
  const bad: [object, string, RegExp][] = [
    [{ ...whole, manifests: [] }, mediaTypes.ociManifest, /index and an image at once/],
    [whole, mediaTypes.dockerManifest, /was sent as/],
    [{ ...whole, mediaType: mediaTypes.ociIndex }, '', /index and an image at once/],
    [{ ...whole, schemaVersion: 1 }, '', /schema version 1/],
    [
      { ...whole, config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
      '',
      /no image/,
    ],
    [{ ...whole, layers: [{ ...layer, mediaType: 'application/x' }] }, '', /layer type "application\/x"/],
    [{ ...whole, layers: [{ ...layer, mediaType: 'constructor' }] }, '', /layer type/],
    [{ ...whole, layers: [{ ...layer, digest: 'sha256:../..' }] }, '', /invalid digest/],
    [{ ...whole, layers: [{ ...layer, size: -1 }] }, '', /no size/],
    [{ ...whole, config: null }, '', /no config/],
  ];
  for (const [manifest, type, wanted] of bad)
    assert.throws(() => parseManifest(JSON.stringify(manifest), type), wanted);
  const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';
  assert.throws(
    () => parseManifest(JSON.stringify({ ...whole, layers: [{ ...layer, mediaType: foreign }] }), ''),
    /is not supported/,
  );
});

test('whatever a registry sends, it is read or refused, and nothing else happens', () => {
  const json = fc.json({ maxDepth: 4 });
  const manifestLike = fc.record(
    {
      schemaVersion: fc.constantFrom(1, 2, '2', null),
      mediaType: fc.constantFrom(...Object.values(mediaTypes), 'text/html', 7),
      config: fc.oneof(fc.constant(null), fc.object()),
      layers: fc.oneof(fc.array(fc.object()), fc.string()),
      manifests: fc.oneof(fc.array(fc.object()), fc.constant(undefined)),
    },
    { requiredKeys: [] },
  );
  const texts = fc.oneof(
    json,
    manifestLike.map((value) => JSON.stringify(value)),
    fc.string(),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom('', ...Object.values(mediaTypes)), (text, type) => {
      try {
        parseManifest(text, type);
      } catch (error) {
        assert.ok(error instanceof AppError, String(error));
      }
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (header) => void parseChallenges(header)));
});
