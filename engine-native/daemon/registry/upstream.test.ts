import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { digestOfBytes } from '../content/digest.ts';
import { EngineImages } from './engine-images.ts';
import { type FetchedManifest, ProxyCache } from './proxy-cache.ts';
import { RepositoryStore } from './repository-store.ts';

let root = '';
let repositories: RepositoryStore;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'upstream-'));
  repositories = new RepositoryStore(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const mediaType = 'application/vnd.oci.image.manifest.v1+json';
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;

function imageOf(letter: string): FetchedManifest {
  const config = { mediaType: 'x/y', digest: digest(letter), size: 1 };
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] });
  return { mediaType, digest: digestOfBytes(text), text };
}

test("the engine's images are given by tag, then by digest; nobody else's blobs with them", async () => {
  const asked: string[] = [];
  const images = new EngineImages({
    exportTagged: async (reference, compression) => {
      asked.push(`${reference} ${compression}`);
      return reference === 'berth/app:v1' ? { ...imageOf('a'), imageId: digest('a') } : undefined;
    },
    listTags: () => ['v1'],
    documentsOf: () => [{ artifactType: 'x/sbom', digest: digest('c'), size: 5 }],
  });
  const { digest: given } = imageOf('a');
  assert.equal(await images.manifest('berth/app', given, 'podman'), undefined);
  const both = await Promise.all([1, 2].map(() => images.manifest('berth/app', 'v1', 'podman')));
  assert.deepEqual(
    both.map((one) => one?.digest),
    [given, given],
  );
  assert.equal((await images.manifest('berth/app', given, 'podman'))?.digest, given);
  assert.equal(images.names('berth/app', digest('a')), true);
  assert.equal(images.names('berth/app', digest('b')), false);
  assert.equal(images.names('berth/ap', digest('a')), false);
  assert.equal(images.names('berth/app', digest('c')), false);
  const [referrer, ...others] = images.referrers('berth/app', given);
  assert.deepEqual(others, []);
  assert.equal(referrer?.artifactType, 'x/sbom');
  const artifact = await images.manifest('berth/app', referrer?.digest ?? '', 'oras');
  const { subject, layers } = JSON.parse(artifact?.text ?? '{}') as Record<string, unknown>;
  assert.deepEqual(subject, { mediaType, digest: given, size: imageOf('a').text.length });
  assert.deepEqual(layers, [{ mediaType: 'x/sbom', digest: digest('c'), size: 5 }]);
  assert.equal(images.names('berth/app', digest('c')), true);
  assert.deepEqual(images.referrers('berth/ap', given), []);
  assert.equal(await images.manifest('berth/app', 'v2', 'berth-engine'), undefined);
  assert.deepEqual(asked, ['berth/app:v1 gzip', 'berth/app:v2 zstd']);
});

function proxy(answer: () => Promise<FetchedManifest>, clock: { now: number }) {
  const asked: string[] = [];
  const cache = new ProxyCache({
    proxied: [{ prefix: 'hub', host: 'docker.io' }],
    pullThrough: async (host, repository, reference) => {
      asked.push(`${host} ${repository} ${reference}`);
      return answer();
    },
    repositories,
    log: createLogger('test', 'silent'),
    now: () => clock.now,
  });
  return { cache, asked };
}

test('a proxied tag is fetched once, believed for a minute, and then compared again', async () => {
  const clock = { now: Date.now() };
  let letter = 'a';
  const { cache, asked } = proxy(async () => imageOf(letter), clock);
  await Promise.all([1, 2].map(() => cache.refresh('hub/library/app', 'v1')));
  await cache.refresh('hub/library/app', 'v1');
  await cache.refresh('hub/library/app', imageOf('a').digest);
  assert.deepEqual(asked, ['docker.io library/app v1']);
  assert.equal(await repositories.hasBlob('hub/library/app', digest('a')), true);
  letter = 'b';
  clock.now += 61_000;
  await cache.refresh('hub/library/app', 'v1');
  assert.equal(await repositories.tag('hub/library/app', 'v1'), imageOf('b').digest);
  assert.equal(cache.isProxied('hubs/app') || cache.isProxied('hub'), false);
  await cache.refresh('own/app', 'v1');
  assert.equal(asked.length, 2);
});

test('while the other registry is away, what is here is served; what is not is said to be out of reach', async () => {
  const clock = { now: Date.now() };
  let answer: () => Promise<FetchedManifest> = async () => imageOf('a');
  const { cache } = proxy(() => answer(), clock);
  await cache.refresh('hub/app', 'v1');
  answer = async () => {
    throw new AppError('unavailable', 'connection refused');
  };
  clock.now += 61_000;
  await cache.refresh('hub/app', 'v1');
  assert.equal(await repositories.tag('hub/app', 'v1'), imageOf('a').digest);
  await assert.rejects(cache.refresh('hub/app', 'v2'), { status: 503 });
  answer = async () => {
    throw new AppError('not_found', 'manifest unknown');
  };
  await cache.refresh('hub/app', 'v1');
  assert.equal(await repositories.tag('hub/app', 'v1'), undefined);
});

test('what nobody has pulled for a month goes, with its blobs; own repositories stay', async () => {
  const clock = { now: Date.now() };
  const { cache } = proxy(async () => imageOf('a'), clock);
  await cache.refresh('hub/app', 'v1');
  await repositories.putManifest('own/app', { digest: digest('c'), mediaType, size: 1, references: [] }, [
    'v1',
  ]);
  clock.now += 29 * 24 * 3_600_000;
  await cache.upkeep();
  assert.deepEqual(await repositories.tags('hub/app'), ['v1']);
  clock.now += 2 * 24 * 3_600_000;
  await cache.upkeep();
  assert.deepEqual(await repositories.tags('hub/app'), []);
  assert.equal(await repositories.hasBlob('hub/app', digest('a')), false);
  assert.deepEqual(await repositories.tags('own/app'), ['v1']);
});
