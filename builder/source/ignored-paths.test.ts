import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOfFiles } from '../../tests/builder/tree-of-files.ts';
import { ignoredBy } from './ignored-paths.ts';
import { subtree, withoutPaths } from './subtree.ts';

test('patterns of .slugignore', () => {
  const cases: [string, string[], string[]][] = [
    ['*.psd', ['a.psd', 'x/y/b.psd'], ['a.psd.txt', 'psd']],
    ['/docs', ['docs', 'docs/a/b'], ['x/docs/a', 'docs2']],
    ['docs/', ['docs/a', 'x/docs/a'], ['docs', 'x/docs']],
    ['a/b', ['a/b', 'a/b/c'], ['x/a/b']],
    ['a/**/z', ['a/z', 'a/b/c/z'], ['a/b']],
    ['te?t', ['test', 'x/text/y'], ['tet']],
    ['# no', [], ['# no']],
  ];
  for (const [pattern, ignored, kept] of cases) {
    const isIgnored = ignoredBy([pattern]);
    for (const path of ignored) assert.equal(isIgnored(path), true, `${pattern} ${path}`);
    for (const path of kept) assert.equal(isIgnored(path), false, `${pattern} ${path}`);
  }
});

test('a pattern made to be slow is not', () => {
  const begun = performance.now();
  ignoredBy([`${'*a'.repeat(2000)}b`])('a'.repeat(4000));
  assert.ok(performance.now() - begun < 2000);
});

test('a folder of a tree, and a tree without some paths, are trees of their own', async () => {
  const tree = treeOfFiles({ 'a/b/x': '1', 'a/y': '2', 'ab/z': '3' });
  const a = subtree(tree, 'a');
  assert.deepEqual([...a.entries.keys()], ['b/x', 'y']);
  assert.equal(await a.readText('y'), '2');
  assert.equal(await a.readText('../ab/z'), undefined);
  assert.ok(a.hasFolder('b') && !a.hasFolder('a'));
  const rest = withoutPaths(tree, ignoredBy(['/a/b']));
  assert.deepEqual([...rest.entries.keys()], ['a/y', 'ab/z']);
  assert.ok(rest.hasFolder('a') && !rest.hasFolder('a/b'));
  assert.notEqual(rest.oid, tree.oid);
  assert.equal(
    withoutPaths(tree, () => false),
    tree,
  );
});
