import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { FolderBlobStore } from './folder-blob-store.ts';

let root = '';
let store: FolderBlobStore;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'blobs-'));
  store = new FolderBlobStore(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const digestOf = (text: string, algorithm = 'sha256') =>
  `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`;
const body = (...parts: string[]) => Readable.from(parts.map((part) => Buffer.from(part)));
const text = async (digest: string, range?: { start: number; end: number }) =>
  (await buffer(store.open(digest, range))).toString();
const pathOf = (digest: string) => {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(root, 'blobs', algorithm, hex.slice(0, 2), hex);
};
const uploads = () => readdirSync(join(root, 'blobs', 'uploads'));

test('what was put is there, by sha256 and by sha512, with mode 0600', async () => {
  for (const algorithm of ['sha256', 'sha512']) {
    const digest = digestOf('hello', algorithm);
    assert.equal(await store.has(digest), false);
    assert.deepEqual(await store.put(body('hel', 'lo'), { digest, size: 5 }), { digest, size: 5 });
    assert.equal(await store.size(digest), 5);
    assert.equal(await text(digest), 'hello');
    assert.equal(await text(digest, { start: 1, end: 3 }), 'ell');
    assert.equal(await store.readText(digest, 5), 'hello');
    assert.equal(statSync(pathOf(digest)).mode & 0o777, 0o600);
  }
  assert.deepEqual(uploads(), []);
});

test('an empty blob is a blob', async () => {
  const digest = digestOf('');
  await store.put(body(), { digest, size: 0 });
  assert.equal(await store.size(digest), 0);
  assert.equal(await text(digest), '');
});

test('a wrong digest, a wrong size and a body that breaks off leave nothing', async () => {
  await assert.rejects(store.put(body('a'), { digest: digestOf('b') }), { code: 'invalid' });
  await assert.rejects(store.put(body('abc'), { size: 2 }), { code: 'invalid' });
  await assert.rejects(store.put(body('abc'), { size: 4 }), { code: 'invalid' });
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('abc');
      throw new Error('gone');
    })(),
  );
  await assert.rejects(store.put(broken), /gone/);
  assert.deepEqual(uploads(), []);
  assert.deepEqual(await Array.fromAsync(store.list()), []);
});

test('a digest that is none never reaches the disk', async () => {
  const bad = ['', 'sha256:', 'sha256:../../etc/passwd', `sha256:${'A'.repeat(64)}`, `md5:${'a'.repeat(32)}`];
  for (const digest of [...bad, `sha256:${'a'.repeat(65)}`, `constructor:${'a'.repeat(64)}`]) {
    await assert.rejects(store.has(digest), { code: 'bad_request' });
    await assert.rejects(buffer(store.open(digest)), { code: 'bad_request' });
  }
  for (const id of ['', '..', '../sha256', 'x'.repeat(32)]) assert.equal(await store.resume(id), undefined);
});

test('an upload grows by chunks and goes on after a restart', async () => {
  const upload = await store.startUpload();
  assert.equal(await upload.append(body('one ')), 4);
  store = new FolderBlobStore(root);
  const resumed = await store.resume(upload.id);
  assert.equal(resumed?.offset, 4);
  await resumed?.append(body('two'));
  const digest = digestOf('one two');
  assert.deepEqual(await resumed?.finish(digest), { digest, size: 7 });
  assert.equal(await text(digest), 'one two');
  assert.equal(await store.resume(upload.id), undefined);
});

test('an upload may be finished by an algorithm that was not named at its start', async () => {
  const upload = await store.startUpload();
  await upload.append(body('both'));
  const digest = digestOf('both', 'sha512');
  assert.deepEqual(await upload.finish(digest), { digest, size: 4 });
});

test('what arrived before a body broke off counts, and the rest follows', async () => {
  const upload = await store.startUpload();
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('abc');
      throw new Error('gone');
    })(),
  );
  await assert.rejects(upload.append(broken), /gone/);
  assert.equal(upload.offset, 3);
  await upload.append(body('def'));
  assert.equal((await upload.finish()).digest, digestOf('abcdef'));
});

test('one upload has one writer, and none after its end', async () => {
  const upload = await store.startUpload();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const slow = Readable.from(
    (async function* () {
      await gate;
      yield Buffer.from('x');
    })(),
  );
  const first = upload.append(slow);
  await assert.rejects(upload.append(body('y')), { code: 'conflict' });
  open();
  await first;
  await upload.cancel();
  await assert.rejects(upload.append(body('z')), { code: 'not_found' });
  assert.deepEqual(uploads(), []);
});

test('two uploads of one blob at once both succeed', async () => {
  const digest = digestOf('twin');
  const results = await Promise.all([
    store.put(body('twin'), { digest }),
    store.put(body('twin'), { digest }),
  ]);
  assert.deepEqual(results, [
    { digest, size: 4 },
    { digest, size: 4 },
  ]);
  assert.equal(await text(digest), 'twin');
});

test('a torn blob is noticed when it is read, dropped, and repaired by the next put', async () => {
  const whole = 'a'.repeat(1_000_000);
  const digest = digestOf(whole);
  await store.put(body(whole));
  store = new FolderBlobStore(root);
  for (const torn of [whole.slice(0, -1), `b${whole.slice(1)}`, '']) {
    writeFileSync(pathOf(digest), torn);
    await assert.rejects(text(digest), /is damaged/);
    assert.equal(await store.has(digest), false);
    await store.put(body(whole), { digest });
    writeFileSync(pathOf(digest), torn);
    await store.put(body(whole), { digest });
    assert.equal(await text(digest), whole);
    store = new FolderBlobStore(root);
  }
});

test('a small text is always checked, and bounded', async () => {
  const { digest } = await store.put(body('{}'));
  await assert.rejects(store.readText(digest, 1), { code: 'too_large' });
  writeFileSync(pathOf(digest), '[]');
  await assert.rejects(store.readText(digest, 2), /is damaged/);
  await assert.rejects(store.readText(digest, 2), { code: 'not_found' });
});

test('a fresh blob is not removed by age; touching makes it fresh again', async () => {
  const { digest } = await store.put(body('x'));
  assert.equal(await store.remove(digest, 60_000), false);
  utimesSync(pathOf(digest), 0, 0);
  assert.equal(await store.touch(digest), true);
  assert.equal(await store.remove(digest, 60_000), false);
  utimesSync(pathOf(digest), 0, 0);
  await store.put(body('x'));
  assert.equal(await store.remove(digest, 60_000), false);
  utimesSync(pathOf(digest), 0, 0);
  assert.equal(await store.remove(digest, 60_000), true);
  assert.equal(await store.touch(digest), false);
});

test('uploads nobody goes on with are dropped, the others stay', async () => {
  const old = await store.startUpload();
  const young = await store.startUpload();
  utimesSync(join(root, 'blobs', 'uploads', old.id), 0, 0);
  assert.equal(await store.removeStaleUploads(60_000), 1);
  assert.deepEqual(uploads(), [young.id]);
  await assert.rejects(old.append(body('x')), { code: 'not_found' });
});
