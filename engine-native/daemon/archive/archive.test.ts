// The small rules of archives: Go's file modes, whole tars, and which changes are the engine's own.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { withoutMountPoints } from './changes.ts';
import { goFileMode } from './path-stat.ts';
import { wholeTar } from './tar-end.ts';

test('modes are told in Go’s words', () => {
  assert.equal(goFileMode(0o040755), 2 ** 31 + 0o755);
  assert.equal(goFileMode(0o100644), 0o644);
  assert.equal(goFileMode(0o120777), 2 ** 27 + 0o777);
  assert.equal(goFileMode(0o041777), 2 ** 31 + 2 ** 20 + 0o777);
  assert.equal(goFileMode(0o106755), 2 ** 23 + 2 ** 22 + 0o755);
  assert.equal(goFileMode(0o020666), 2 ** 26 + 2 ** 21 + 0o666);
});

test('a tar without its end is an error, however it was cut into chunks', async () => {
  const read = async (chunks: Buffer[]) =>
    Buffer.concat(await Readable.from(chunks).pipe(wholeTar()).toArray());
  const content = Buffer.alloc(700, 'x');
  const end = Buffer.alloc(1024);
  assert.equal((await read([content, end])).length, 1724);
  assert.equal((await read([content, ...Array.from({ length: 1024 }, () => Buffer.alloc(1))])).length, 1724);
  await assert.rejects(read([content]), /could not be read to its end/);
  await assert.rejects(read([Buffer.concat([end, content])]), /could not be read to its end/);
});

test('mount points and folders that changed for them alone are nobody’s change', () => {
  const changes = [
    { Path: '/data', Kind: 1 },
    { Path: '/etc', Kind: 0 },
    { Path: '/etc/hosts', Kind: 1 },
    { Path: '/srv', Kind: 0 },
    { Path: '/srv/file', Kind: 1 },
    { Path: '/srv/volume', Kind: 1 },
  ];
  assert.deepEqual(withoutMountPoints(changes, ['/data', '/etc/hosts', '/srv/volume']), [
    { Path: '/srv', Kind: 0 },
    { Path: '/srv/file', Kind: 1 },
  ]);
});
