// The lock of makers: one at a time, and a dead holder holds nobody up.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { oneMaker } from './one-maker.ts';

function inFolder(work: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync('/tmp/berth-one-maker-');
    try {
      await work(folder);
      assert.deepEqual(readdirSync(folder), [], 'nothing is left');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

test(
  'two makers follow each other',
  inFolder(async (folder) => {
    const lock = join(folder, 'a.lock');
    const seen: string[] = [];
    const make = (name: string) =>
      oneMaker(lock, 10_000, async () => {
        seen.push(`${name} begins`);
        await new Promise(setImmediate);
        seen.push(`${name} ends`);
      });
    await Promise.all([make('first'), make('second')]);
    assert.deepEqual(seen, ['first begins', 'first ends', 'second begins', 'second ends']);
  }),
);

test(
  'the lock of a process that died is taken over',
  inFolder(async (folder) => {
    const lock = join(folder, 'a.lock');
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), '4194305'); // above the highest pid there can be
    assert.equal(await oneMaker(lock, 10_000, async () => 'made'), 'made');
  }),
);

test(
  'waiting for a living holder has an end',
  inFolder(async (folder) => {
    const lock = join(folder, 'a.lock');
    await oneMaker(lock, 1000, async () => {
      await assert.rejects(
        oneMaker(lock, 1, async () => {}),
        /was held by another process for too long/,
      );
    });
  }),
);
