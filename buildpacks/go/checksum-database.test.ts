// The proof of the checksum database against trees made here: every leaf of trees of many sizes, and every lie.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import {
  type ChecksumDatabase,
  leafHash,
  nodeHash,
  provenHash,
  readDatabaseSetting,
  tilePath,
} from './checksum-database.ts';
import { hashOne } from './module-zip.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const raw = Buffer.from(String(createPublicKey(privateKey).export({ format: 'jwk' })['x']), 'base64url');
const setting = `sums.example.org+0a0b0c0d+${Buffer.concat([Buffer.of(1), raw]).toString('base64')}`;
const record = (id: number) =>
  `example.org/m v1.0.${id} h1:hash${id}=\nexample.org/m v1.0.${id}/go.mod h1:mod=\n`;

function rootOf(hashes: Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

/** A database of `size` records, as its addresses answer; `bend` changes what it says. */
function database(size: number, bend: (path: string, answer: Buffer) => Buffer = (_, answer) => answer) {
  const leaves = Array.from({ length: size }, (_, id) => leafHash(record(id)));
  const levels: Buffer[][] = [leaves];
  for (let below = leaves; below.length >= 256; ) {
    const whole = Math.floor(below.length / 256);
    const from = below;
    below = Array.from({ length: whole }, (_, tile) => rootOf(from.slice(tile * 256, tile * 256 + 256)));
    levels.push(below);
  }
  const text = `go.sum database tree\n${size}\n${rootOf(leaves).toString('base64')}\n`;
  const signature = sign(
    null,
    Buffer.from(text),
    createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })),
  );
  const note = `${text}\n\u2014 sums.example.org ${Buffer.concat([Buffer.from('0a0b0c0d', 'hex'), signature]).toString('base64')}\n`;
  return async (path: string): Promise<Buffer> => {
    const id = /^\/lookup\/.*@v1\.0\.(\d+)$/.exec(path)?.[1];
    if (id !== undefined) return bend(path, Buffer.from(`${id}\n${record(Number(id))}\n${note}`));
    const [, level, index, width] = /^\/tile\/8\/(\d+)\/(\d+)(?:\.p\/(\d+))?$/.exec(path) ?? [];
    const hashes =
      levels[Number(level)]?.slice(Number(index) * 256, Number(index) * 256 + Number(width ?? 256)) ?? [];
    assert.equal(hashes.length, Number(width ?? 256), path);
    return bend(path, Buffer.concat(hashes));
  };
}

const ask = (id: number, read: (path: string) => Promise<Buffer>) =>
  provenHash(readDatabaseSetting(setting) as ChecksumDatabase, 'example.org/m', `v1.0.${id}`, read);

test('every record of small trees, and some of larger ones, is proven', async () => {
  for (let size = 1; size <= 20; size++)
    for (let id = 0; id < size; id++) assert.equal(await ask(id, database(size)), `h1:hash${id}=`);
  for (const size of [255, 256, 257, 700, 1024])
    for (const id of [0, 100, 254, size - 1]) assert.equal(await ask(id, database(size)), `h1:hash${id}=`);
});

test('a lie is found, whichever answer it is in', async () => {
  const swap = (from: string, to: string) => (path: string, answer: Buffer) =>
    path.startsWith('/lookup') ? Buffer.from(answer.toString().replace(from, to)) : answer;
  await assert.rejects(ask(300, database(700, swap('h1:hash300', 'h1:other00'))), /cannot prove its answer/);
  await assert.rejects(ask(300, database(700, swap('\n700\n', '\n701\n'))), /is not signed by it/);
  await assert.rejects(ask(300, database(700, swap('300\n', '299\n'))), /cannot prove its answer/);
  const bent = database(700, (path, answer) =>
    path.startsWith('/tile/8/0') ? Buffer.alloc(answer.length) : answer,
  );
  await assert.rejects(ask(300, bent), /cannot prove its answer/);
});

test('the setting is read as the go command reads it', () => {
  assert.equal(readDatabaseSetting('off'), undefined);
  assert.equal(readDatabaseSetting('')?.address, 'https://sum.golang.org');
  assert.equal(readDatabaseSetting('sum.golang.google.cn')?.name, 'sum.golang.org');
  assert.equal(
    readDatabaseSetting(`${setting} https://mirror.example.org/sums`)?.address,
    'https://mirror.example.org/sums',
  );
  assert.throws(() => readDatabaseSetting('sums.example.org'), /has no key/);
});

test('a tile far to the right has its number in groups', () => {
  assert.equal(tilePath(0, 1_234_067, 256), '/tile/8/0/x001/x234/067');
  assert.equal(tilePath(2, 5, 17), '/tile/8/2/005.p/17');
});

test('the hash of files is that of their sorted list', () => {
  assert.equal(hashOne(new Map()), 'h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=');
});
