import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slugIgnore } from './slug-ignore.ts';

const paths = [
  '.env',
  'docs/a.psd',
  'docs/b.md',
  'lib/test/x.js',
  'main.js',
  'test/y.js',
  'a.psd',
  'docs/deep/c.psd',
];
const left = (text: string) => paths.filter((path) => !slugIgnore(text)(path));

test('a name matches in every folder, a path from the root, a folder takes along what is below it', () => {
  assert.deepEqual(left('*.psd'), ['.env', 'docs/b.md', 'lib/test/x.js', 'main.js', 'test/y.js']);
  assert.deepEqual(left('test'), ['.env', 'docs/a.psd', 'docs/b.md', 'main.js', 'a.psd', 'docs/deep/c.psd']);
  assert.ok(left('/test').includes('lib/test/x.js') && !left('/test').includes('test/y.js'));
  assert.ok(left('test/').includes('lib/test/x.js') && !left('test/').includes('test/y.js'));
  assert.deepEqual(left('docs/*.psd'), [
    '.env',
    'docs/b.md',
    'lib/test/x.js',
    'main.js',
    'test/y.js',
    'a.psd',
    'docs/deep/c.psd',
  ]);
  assert.ok(!left('docs/**/*.psd').some((path) => /docs.*psd/.test(path)));
});

test('comments, empty lines and any line end; nothing else is special', () => {
  assert.deepEqual(left('# main.js\r\n\r\nmain.js # why\r\n[a]?psd\r\n'), [
    '.env',
    'docs/b.md',
    'lib/test/x.js',
    'test/y.js',
    'docs/deep/c.psd',
  ]);
  assert.deepEqual(left('!main.js'), paths);
  assert.ok(left('*').includes('.env'), 'a star spares hidden files');
  assert.ok(!left('.env').includes('.env'));
});

test('a pattern that would make a regular expression slow is as fast as any other', () => {
  const begun = performance.now();
  assert.equal(slugIgnore(`${'*a'.repeat(100)}b`)(`${'a'.repeat(250)}`), false);
  // Tried one way after another, so many would take longer than anybody waits.
  assert.equal(slugIgnore(`${'**/'.repeat(40)}b`)(`${'a/'.repeat(60)}a`), false);
  assert.ok(performance.now() - begun < 500);
});
