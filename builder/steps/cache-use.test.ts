import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { useCaches } from './cache-use.ts';

test('a cache whose command was killed is empty for the next, one whose command ended is kept, one in use is left alone', async () => {
  const parent = mkdtempSync('/tmp/berth-cache-use-');
  const file = join(parent, 'npm', 'half');
  const fill = () => {
    mkdirSync(join(parent, 'npm'), { recursive: true });
    writeFileSync(file, 'x');
  };
  try {
    const first = await useCaches(parent, ['npm'], 'build-1.dependencies');
    fill();
    await first.ended();
    first.release();
    const second = await useCaches(parent, ['npm'], 'build-2.dependencies');
    assert.ok(existsSync(file), 'kept after an end');
    const beside = await useCaches(parent, ['npm'], 'build-2.output');
    assert.ok(existsSync(file), 'left alone while it is in use');
    await beside.ended();
    beside.release();
    second.release(); // killed
    const other = await useCaches(parent, ['cargo'], 'build-3.dependencies');
    await other.ended();
    other.release();
    assert.ok(existsSync(file), 'the other cache is not its business');
    const third = await useCaches(parent, ['npm'], 'build-3.dependencies');
    assert.ok(!existsSync(file), 'emptied after a kill');
    fill();
    await third.ended();
    third.release();
    const fourth = await useCaches(parent, ['npm'], 'build-4.dependencies');
    assert.ok(existsSync(file));
    fourth.release();
  } finally {
    rmSync(parent, { recursive: true });
  }
});
