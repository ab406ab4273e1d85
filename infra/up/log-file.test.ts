import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lastLines, openLog, rotateLog } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'berth-log-'));
after(() => rmSync(folder, { recursive: true }));

test('a log that has grown is rotated under a writer that never notices, and three files are kept', () => {
  const path = join(folder, 'part.log');
  const fd = openLog(path);
  for (const round of ['one', 'two', 'three', 'four']) {
    writeSync(fd, `${round} ${'x'.repeat(100)}\n`);
    assert.equal(rotateLog(path, 100), true);
  }
  writeSync(fd, 'five\n');
  assert.equal(rotateLog(path, 100), false);
  assert.deepEqual(readdirSync(folder).toSorted(), ['part.log', 'part.log.1', 'part.log.2']);
  assert.equal(readFileSync(path, 'utf8'), 'five\n');
  assert.match(readFileSync(`${path}.1`, 'utf8'), /^four/);
  assert.match(readFileSync(`${path}.2`, 'utf8'), /^three/);
});

test('the last lines of a log, without empty ones', () => {
  const path = join(folder, 'lines.log');
  writeSync(openLog(path), `${'y'.repeat(9000)}\na\n\nb\n`);
  assert.deepEqual(lastLines(path, 2), ['a', 'b']);
  assert.deepEqual(lastLines(join(folder, 'none.log')), []);
});
