// README.md's table, held against the tests: every title it quotes is one, and every CVE that a test of this folder names is in the table.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const engineTests = join(import.meta.dirname, '..');
const table = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8');

test('every quoted title is that of a test', () => {
  const sources = globSync('**/*.test.ts', { cwd: engineTests }).map((path) =>
    readFileSync(join(engineTests, path), 'utf8'),
  );
  const titles = [...table.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title.replace(/^… /, ''));
  assert.ok(titles.length > 40);
  assert.deepEqual(
    titles.filter((title) => !sources.some((source) => source.includes(title))),
    [],
  );
});

test('every class that is named here is in the table', () => {
  const named = globSync('*.test.ts', { cwd: import.meta.dirname }).flatMap((path) => [
    ...readFileSync(join(import.meta.dirname, path), 'utf8').matchAll(
      /CVE-\d{4}-\d+|GO-\d{4}-\d+|GHSA(-\w{4}){3}/g,
    ),
  ]);
  const missing = new Set(named.map(([name]) => name).filter((name) => !table.includes(name)));
  assert.deepEqual([...missing], []);
});
