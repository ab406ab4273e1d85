import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pruneCaches } from './prune-caches.ts';

const dir = mkdtempSync('/tmp/berth-caches-');
after(() => rmSync(dir, { recursive: true, force: true }));

const day = 24 * 60 * 60_000;
const now = Date.UTC(2026, 10, 21);

function cache(app: string, bytes: number, usedAt: number): void {
  const marks = join(dir, app, '.in-use');
  mkdirSync(join(dir, app, 'npm/deep'), { recursive: true });
  mkdirSync(marks, { recursive: true });
  writeFileSync(join(dir, app, 'npm/deep/file'), Buffer.alloc(bytes, 1));
  utimesSync(marks, usedAt / 1000, usedAt / 1000);
}

test('the caches that were used longest ago go first, until the rest is within the quota', async () => {
  cache('old', 300_000, now - 3 * day);
  cache('middle', 300_000, now - 2 * day);
  cache('new', 300_000, now - day);
  assert.deepEqual(await pruneCaches({ dir, bytes: 2_000_000, now }), []);
  assert.deepEqual(await pruneCaches({ dir, bytes: 700_000, now }), ['old']);
  assert.deepEqual(readdirSync(dir).sort(), ['middle', 'new']);
});

test('a cache that nobody used for a month goes, whatever room there is', async () => {
  cache('left', 1000, now - 31 * day);
  assert.deepEqual(await pruneCaches({ dir, bytes: 1e12, now }), ['left']);
});

test('where nothing was built there is nothing to do', async () => {
  assert.deepEqual(await pruneCaches({ dir: join(dir, 'none'), bytes: 0, now }), []);
});
