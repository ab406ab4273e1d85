// How files look: their size, their first lines, their names; what the lock file must not carry.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { test } from 'node:test';
import { countLines, isTest, isTypeScript, listFiles, read } from './sources.ts';

const files = await listFiles();
const typeScript = files.filter(isTypeScript);
const c = files.filter((path) => /^engine-native\/runtime\/.*\.[ch]$/.test(path));

test('no TypeScript file is longer than 400 lines', () => {
  const long = typeScript.filter((path) => !isTest(path) && countLines(path) > 400);
  assert.deepEqual(long, []);
});

test('no C file is longer than 600 lines', () => {
  assert.deepEqual(
    c.filter((path) => countLines(path) > 600),
    [],
  );
});

test('no C function is longer than 80 lines', () => {
  assert.deepEqual(c.flatMap(longFunctions), []);
});

/** As clang-format lays them out: the body ends at the first brace at the beginning of a line. */
function longFunctions(path: string): string[] {
  let start = -1;
  return read(path)
    .split('\n')
    .flatMap((line, index) => {
      if (start < 0 && line.endsWith('{')) start = index;
      if (!line.startsWith('}')) return [];
      const length = index - start + 1;
      const isLong = start >= 0 && length > 80;
      start = -1;
      return isLong ? [`${path}:${index + 1} (${length} lines)`] : [];
    });
}

test('every source file opens with a comment that says what it is', () => {
  // A unit test says it by its name: it lies beside the file it tests.
  const unitTests = typeScript.filter((path) => path.endsWith('.test.ts') && !path.startsWith('tests/'));
  const others = [...typeScript, ...c].filter((path) => !unitTests.includes(path));
  const silent = others.filter((path) => !/^(#!.*\n)?(\/\/|\/\*)/.test(read(path)));
  assert.deepEqual(silent, []);
});

test('names are kebab-case in TypeScript, snake_case in C, and none of the words that say nothing', () => {
  const vague = /^(utils?|helpers?|common|misc|managers?|base)\./;
  const problems = [
    ...typeScript.filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/.test(basename(path))),
    ...c.filter((path) => !/^[a-z0-9]+(_[a-z0-9]+)*\.[ch]$/.test(basename(path))),
    // "helper" is the name of one of the engine's programs there.
    ...[...typeScript, ...c].filter(
      (path) => vague.test(basename(path)) && !/^engine-native\/.*\/helper\.[a-z]+$/.test(path),
    ),
  ];
  assert.deepEqual(problems, []);
});

test('no mark of unfinished work', () => {
  const marks = /(\/\/|\*).*\b(TODO|FIXME|XXX|HACK)\b/;
  const stub = /not implemented/i;
  const own = 'tests/architecture/files.test.ts';
  const marked = [...typeScript, ...c].filter((path) => path !== own && marks.test(read(path)));
  const stubs = [...typeScript, ...c].filter((path) => !isTest(path) && stub.test(read(path)));
  assert.deepEqual([...marked, ...stubs], []);
});

test('no test is skipped', () => {
  const skipped = typeScript
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => /\.(skip|todo|only)\(|\bskip: true/.test(read(path)));
  assert.deepEqual(
    skipped.filter((path) => path !== 'tests/architecture/files.test.ts'),
    [],
  );
});

test('the lock file carries no registry address', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved": "https?:/);
});

test('the top level is the fixed one', () => {
  const fixed = [
    ...[
      'package.json',
      'package-lock.json',
      'tsconfig.json',
      'biome.json',
      'eslint.config.mjs',
      '.gitignore',
      '.npmrc',
      '.clang-format',
      '.clang-tidy',
    ],
    ...['apps', 'builder', 'router', 'scheduler', 'engine-native', 'buildpacks', 'infra', 'tests', '.ci'],
    ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'LICENSE'],
  ];
  const top = new Set(files.map((path) => path.split('/')[0] ?? path));
  assert.deepEqual(
    [...top].filter((name) => !fixed.includes(name)),
    [],
  );
});
