// What the documents say about the repository, held against the repository.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { countLines, listFiles, read, repository } from './sources.ts';

const files = await listFiles();
const architecture = read('ARCHITECTURE.md');

/** Folders that a reader must find in ARCHITECTURE.md: the parts, and what lies directly below the top-level folders. */
function foldersToName(): string[] {
  const containers = ['apps', 'engine-native', 'infra', 'tests'];
  const top = ['builder', 'router', 'scheduler', 'buildpacks', ...containers];
  const below = files
    .map((path) => path.split('/'))
    .filter(([first, , third]) => containers.includes(first ?? '') && third !== undefined)
    .map(([first, second]) => `${first}/${second}`);
  return [...new Set([...top, ...below])].filter((folder) =>
    files.some((path) => path.startsWith(`${folder}/`)),
  );
}

const namedFolders = [
  ...architecture.matchAll(
    /`((?:apps|builder|router|scheduler|engine-native|buildpacks|infra|tests)(?:\/[a-z-]+)*)\/`/g,
  ),
].map(([, path]) => path ?? '');

test('every folder is named in ARCHITECTURE.md', () => {
  const missing = foldersToName().filter((folder) => !namedFolders.includes(folder));
  assert.deepEqual(missing, []);
});

test('every folder that ARCHITECTURE.md names exists', () => {
  const gone = namedFolders.filter((folder) => !existsSync(join(repository, folder)));
  assert.deepEqual(gone, []);
});

test('ARCHITECTURE.md stays under 200 lines', () => {
  assert.ok(countLines('ARCHITECTURE.md') < 200);
});

test('every decision record is named in ARCHITECTURE.md, and its number is its own', () => {
  const records = files.filter((path) => /^infra\/docs\/adr\/\d{4}-.*\.md$/.test(path));
  const missing = records.filter((path) => !architecture.includes(path));
  assert.deepEqual(missing, []);
  const numbers = records.map((path) => /(\d{4})-/.exec(path)?.[1]);
  assert.equal(new Set(numbers).size, numbers.length);
});

test('every relative link in the documents leads to a file', () => {
  const documents = files.filter((path) => path.endsWith('.md') && !path.startsWith('tests/fixtures/'));
  const broken = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map(([, link]) => link ?? '')
      .filter((link) => !existsSync(join(repository, path, '..', link)))
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test('every npm script that the documents name exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const known = Object.keys(scripts);
  const named = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].flatMap((path) =>
    [...read(path).matchAll(/`?npm (?:run ([a-z][a-z:-]*)|test\b|ci\b)/g)].map(([, name]) => name ?? 'test'),
  );
  assert.deepEqual(
    named.filter((name) => !known.includes(name)),
    [],
  );
});
