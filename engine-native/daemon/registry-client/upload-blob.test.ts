// Tests of uploads: in one piece, in chunks, and after a cut from where the registry says it stopped.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { RegistryFailure } from './registry-failure.ts';
import { type UploadTarget, uploadBlob } from './upload-blob.ts';

const mib = 1024 * 1024;
const cut = () => new RegistryFailure('unavailable', 'connection reset by peer');

/** A registry that notes what is asked of it; `failures` are thrown by the calls of a name, in order, after so many bytes. */
class Target implements UploadTarget {
  readonly calls: string[] = [];
  received = 0;
  readonly failures: { call: string; afterBytes: number; error: Error }[];
  /** False: an interrupted upload is forgotten. */
  isRemembering = true;

  constructor(...failures: Target['failures']) {
    this.failures = failures;
  }

  startUpload(): Promise<URL> {
    this.calls.push('start');
    this.received = 0;
    return Promise.resolve(new URL('http://r.example/up/1'));
  }

  async sendChunk(
    upload: URL,
    body: Readable,
    { start, size }: { start: number; size: number },
  ): Promise<URL> {
    this.calls.push(`chunk ${start}+${size}`);
    assert.equal(start, this.received);
    await this.#take('chunk', body);
    return upload;
  }

  uploadedBytes(upload: URL): Promise<{ offset: number; next: URL } | undefined> {
    this.calls.push('ask');
    return Promise.resolve(this.isRemembering ? { offset: this.received, next: upload } : undefined);
  }

  async finishUpload(
    _upload: URL,
    digest: string,
    content?: { body: Readable; size: number },
  ): Promise<void> {
    this.calls.push(`finish ${digest} ${content?.size ?? '-'}`);
    if (content) await this.#take('finish', content.body);
  }

  async #take(call: string, body: Readable): Promise<void> {
    const failure = this.failures[0]?.call === call ? this.failures.shift() : undefined;
    const before = this.received;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      this.received += chunk.length;
      if (failure && this.received - before >= failure.afterBytes) throw failure.error;
    }
  }
}

const piece = Buffer.alloc(mib);
const blobOf = (size: number) => ({
  digest: 'sha256:x',
  size,
  open: (start: number, end: number) =>
    Readable.from(
      (function* () {
        for (let left = end + 1 - start; left > 0; left -= mib) yield piece.subarray(0, Math.min(left, mib));
      })(),
      { objectMode: false },
    ),
  onBytes: () => {},
});

test('a small blob goes in one piece, an empty one too', async () => {
  const target = new Target();
  await uploadBlob(target, blobOf(3 * mib));
  await uploadBlob(target, blobOf(0));
  assert.deepEqual(target.calls, ['start', `finish sha256:x ${3 * mib}`, 'start', 'finish sha256:x 0']);
});

test('a large blob goes in chunks', async () => {
  const target = new Target();
  await uploadBlob(target, blobOf(150 * mib));
  assert.equal(target.received, 150 * mib);
  assert.deepEqual(target.calls, [
    'start',
    `chunk 0+${64 * mib}`,
    `chunk ${64 * mib}+${64 * mib}`,
    `chunk ${128 * mib}+${22 * mib}`,
    'finish sha256:x -',
  ]);
});

test('after a cut it goes on where the registry stopped', async () => {
  const target = new Target({ call: 'chunk', afterBytes: 10 * mib, error: cut() });
  await uploadBlob(target, blobOf(100 * mib));
  const [first, second, third, fourth = ''] = target.calls;
  assert.deepEqual([first, second, third], ['start', `chunk 0+${64 * mib}`, 'ask']);
  assert.match(fourth, /^chunk [1-9]\d*\+/);
  assert.equal(target.received, 100 * mib);
});

test('it starts again where the registry has forgotten, and gives up when nothing helps', async () => {
  const forgetful = new Target({ call: 'finish', afterBytes: mib, error: cut() });
  forgetful.isRemembering = false;
  await uploadBlob(forgetful, blobOf(2 * mib));
  assert.deepEqual(
    forgetful.calls.filter((call) => call === 'start'),
    ['start', 'start'],
  );
  const refusing = new Target({
    call: 'finish',
    afterBytes: 0,
    error: new RegistryFailure('forbidden', 'denied', { status: 403 }),
  });
  await assert.rejects(uploadBlob(refusing, blobOf(mib)), /denied/);
  assert.equal(refusing.calls.length, 2, 'a refusal is not asked again');
});
