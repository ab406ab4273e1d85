import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOfFiles } from '../../tests/builder/tree-of-files.ts';
import { appFolder } from './app-folder.ts';

const tree = treeOfFiles({
  'README.md': '',
  'apps/web/package.json': '{}',
  'apps/web/src/a.js': '1',
  'apps/api/go.mod': '',
});
const none: string[] = [];
const vars = (PROJECT_PATH: string) => ({ buildpacks: none, vars: { PROJECT_PATH } });

test('a config var names the folder that is the app', async () => {
  const found = await appFolder(tree, vars('./apps/web/'));
  assert.deepEqual([found.folder, found.namedBy], ['apps/web', 'PROJECT_PATH']);
  assert.deepEqual([...found.tree.entries.keys()], ['package.json', 'src/a.js']);
  assert.equal(await found.tree.readText('src/a.js'), '1');
  assert.equal(
    (await appFolder(tree, { buildpacks: none, vars: { APP_BASE: 'apps/api' } })).folder,
    'apps/api',
  );
});

test('without one, or when a buildpack moves the folder itself, the whole tree is the app', async () => {
  assert.equal((await appFolder(tree, { buildpacks: none, vars: {} })).tree, tree);
  assert.equal((await appFolder(tree, vars('./'))).tree, tree);
  const buildpacks = ['https://github.com/timanovsky/subdir-heroku-buildpack'];
  assert.equal((await appFolder(tree, { ...vars('apps/web'), buildpacks })).tree, tree);
  const listed = treeOfFiles({
    '.buildpacks': 'https://github.com/lstoll/heroku-buildpack-monorepo\n',
    'a/b': '',
  });
  assert.equal((await appFolder(listed, vars('a'))).tree, listed);
});

test('a change elsewhere leaves the folder the same tree; one inside does not', async () => {
  const oid = async (files: Record<string, string>) =>
    (await appFolder(treeOfFiles(files), vars('apps/web'))).tree.oid;
  const before = await oid({ 'apps/web/a.js': '1', 'apps/api/b.js': '1' });
  assert.equal(await oid({ 'apps/web/a.js': '1', 'apps/api/b.js': '2', README: '' }), before);
  assert.notEqual(await oid({ 'apps/web/a.js': '2', 'apps/api/b.js': '1' }), before);
});

test('a folder that is not there is named with those that are', async () => {
  await assert.rejects(appFolder(tree, vars('apps/wbe')), {
    message: 'the config var PROJECT_PATH names "apps/wbe", which is no folder of the commit',
    hint: 'there are: apps/api, apps/web',
  });
  for (const path of ['../etc', '/etc', 'README.md'])
    await assert.rejects(appFolder(tree, vars(path)), /is no folder of the commit/);
});
