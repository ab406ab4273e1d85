import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { searchedValues, TarSearch } from './search-layer.ts';

async function search(
  files: Record<string, string>,
  secrets: Record<string, string>,
  chunkBytes: number,
): Promise<unknown> {
  const parts: Uint8Array[] = [];
  const entries = Object.entries(files).map(([path, text]) => ({
    path,
    mode: 0o644,
    content: Buffer.from(text),
  }));
  for await (const part of writeTar(fileEntries(entries))) parts.push(part);
  const tar = Buffer.concat(parts);
  const at = new TarSearch(searchedValues(secrets));
  for (let from = 0; from < tar.length; from += chunkBytes) at.push(tar.subarray(from, from + chunkBytes));
  return at.found;
}

test('a value is found in whatever pieces the tar comes, and its file is named once', async () => {
  const secret = 'correct-horse-battery';
  const long = `app/${'folder/'.repeat(30)}config.js`;
  const files = {
    'app/a.txt': `${'x'.repeat(1000)}correct-horse`,
    'app/b.txt': `-battery ${'y'.repeat(700)}`,
    [long]: `${'z'.repeat(2000)}\0${secret}\0${'z'.repeat(100)}`,
    'app/z.txt': secret,
  };
  for (const chunk of [1, 7, 511, 512, 513, 4096, 1_000_000])
    assert.deepEqual(
      await search(files, { API_KEY: secret, OTHER: 'is-not-in-there' }, chunk),
      [{ name: 'API_KEY', path: long }],
      `pieces of ${chunk} bytes; two files beside each other are no place`,
    );
});

test('what a framework publishes, plain addresses, short values and the first line of a key are not looked for', () => {
  const values = searchedValues({
    NEXT_PUBLIC_KEY: 'pk_live_0123456789',
    API_URL: 'https://api.example.org/v1',
    PORT: '5000',
    PEM: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nshort\n-----END PRIVATE KEY-----',
    DATABASE_URL: 'postgres://me:pw@db/x',
  });
  assert.deepEqual(
    [...values].map(([name, value]) => `${name} ${value}`),
    ['PEM MIIEvQIBADANBgkq', 'DATABASE_URL postgres://me:pw@db/x'],
  );
});
