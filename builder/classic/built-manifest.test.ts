import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOfFiles } from '../../tests/builder/tree-of-files.ts';
import { finalProcessTypes } from '../manifest/final-process-types.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { builtManifest } from './built-manifest.ts';

const typesOf = async (files: Record<string, string>, built: string | undefined) =>
  finalProcessTypes(builtManifest(await readManifest(treeOfFiles(files)), files['Procfile'], built), {
    web: 'default',
  }).processTypes;

test('the Procfile that a buildpack left counts, berth.toml above it', async () => {
  assert.deepEqual(await typesOf({}, undefined), { web: 'default' });
  assert.deepEqual(await typesOf({}, 'worker: a\nrelease: r\n'), { worker: 'a', release: 'r' });
  assert.deepEqual(await typesOf({}, 'release: r\n'), { web: 'default', release: 'r' });
  const pushed = { Procfile: 'web: pushed\nold: x\nrelease: one\n' };
  assert.deepEqual(await typesOf(pushed, pushed.Procfile), { web: 'pushed', old: 'x', release: 'one' });
  assert.deepEqual(await typesOf(pushed, 'web: built\nrelease: two\n'), { web: 'built', release: 'two' });
  const toml = { ...pushed, 'berth.toml': '[processes.web]\ncommand = "toml"\n' };
  assert.deepEqual(await typesOf(toml, 'web: built\n'), { web: 'toml' });
});
