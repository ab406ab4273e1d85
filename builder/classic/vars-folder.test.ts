import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeVarsFolder, removeVarsFolders } from './vars-folder.ts';

const isRoot = process.getuid?.() === 0;

test('config vars are files in memory, one each, and nothing is left of them', {
  skip: isRoot ? false : 'only root gives files away',
}, () => {
  const dataDir = `/nonexistent/vars-folder-test-${process.pid}`;
  const first = makeVarsFolder(dataDir, { A: 'one\n', '../B': 'x', 'C/D': 'x', E: '' });
  const second = makeVarsFolder(dataDir, {});
  assert.deepEqual(readdirSync(first.path), ['A', 'E']);
  assert.equal(readFileSync(join(first.path, 'A'), 'utf8'), 'one\n');
  assert.equal(statfsSync(first.path).type, 0x01021994);
  first.remove();
  assert.ok(!existsSync(first.path) && existsSync(second.path));
  second.remove();
  assert.ok(!existsSync(dirname(second.path)));
  const left = makeVarsFolder(dataDir, { A: 'x' });
  removeVarsFolders(dataDir);
  assert.ok(!existsSync(dirname(left.path)));
});
