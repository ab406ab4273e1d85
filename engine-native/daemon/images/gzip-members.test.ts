import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { gzipMembers } from './gzip-members.ts';

const cut = (data: Buffer, size: number) =>
  Readable.from(
    Array.from({ length: Math.ceil(data.length / size) }, (_, i) => data.subarray(i * size, (i + 1) * size)),
  );

test('what was compressed in members is what any gunzip gives back', async () => {
  const data = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(2_500_000, 'berth')]);
  assert.deepEqual(gunzipSync(await buffer(gzipMembers(cut(data, 65_536), 3))), data);
});

test('the bytes do not depend on how the content arrives', async () => {
  const data = Buffer.concat([randomBytes(1 << 20), Buffer.alloc(700_001, 7)]);
  const [one, two] = await Promise.all(
    [1 << 18, 9_999].map((size) => buffer(gzipMembers(cut(data, size), 3))),
  );
  assert.deepEqual(one, two);
});

test('nothing is one empty member', async () => {
  assert.equal(gunzipSync(await buffer(gzipMembers(Readable.from([]), 3))).length, 0);
});

test('a source that breaks breaks the result', async () => {
  const broken = Readable.from(
    (async function* () {
      yield randomBytes(3 << 20);
      throw new Error('the disk is gone');
    })(),
  );
  await assert.rejects(buffer(gzipMembers(broken, 3)), /the disk is gone/);
});
