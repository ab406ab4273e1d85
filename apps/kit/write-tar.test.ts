import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { fileEntries, type TarEntry, writeTar } from './write-tar.ts';

async function bytes(entries: Iterable<TarEntry>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of writeTar(entries)) parts.push(part);
  return Buffer.concat(parts);
}

const file = (path: string, text: string): TarEntry => ({
  path,
  kind: 'file',
  mode: 0o644,
  size: Buffer.byteLength(text),
  content: Buffer.from(text),
});

test('tar(1) reads what was written: long names, long links, modes, empty files', async () => {
  const long = `${'a'.repeat(90)}/${'b'.repeat(120)}/${'c'.repeat(140)}`;
  const target = `x/${'y'.repeat(200)}`;
  const tar = await bytes([
    { path: 'bin', kind: 'folder', mode: 0o755, size: 0 },
    { ...file('bin/run', '#!/bin/sh\n'), mode: 0o755 },
    file('empty', ''),
    file('ünïcode.txt', 'ü'),
    file(long, 'long'),
    { path: 'link', kind: 'symlink', mode: 0o777, size: 0, linkTarget: target },
  ]);
  const folder = mkdtempSync('/tmp/berth-tar-');
  try {
    await runCommandOk(['tar', '-x', '-C', folder], { input: tar });
    assert.equal(statSync(join(folder, 'bin/run')).mode & 0o777, 0o755);
    assert.equal(readFileSync(join(folder, 'empty'), 'utf8'), '');
    assert.equal(readFileSync(join(folder, 'ünïcode.txt'), 'utf8'), 'ü');
    assert.equal(readFileSync(join(folder, long), 'utf8'), 'long');
    assert.equal(readlinkSync(join(folder, 'link')), target);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('content that is not as long as announced is an error, not a damaged archive', async () => {
  await assert.rejects(bytes([{ ...file('a', 'abc'), size: 2 }]), /"a" has 3 bytes instead of 2/);
});

test('files bring the folders above them, once each', () => {
  const content = Buffer.from('x');
  const entries = [
    ...fileEntries([
      { path: 'a/b/c', mode: 0o644, content },
      { path: 'a/b/d', mode: 0o644, content },
    ]),
  ];
  assert.deepEqual(
    entries.map(({ kind, path }) => `${kind} ${path}`),
    ['folder a', 'folder a/b', 'file a/b/c', 'file a/b/d'],
  );
});
