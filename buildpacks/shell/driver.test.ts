import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { shellDriver } from './driver.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => [],
};
const planOf = (files: Record<string, string>) => shellDriver.plan(treeOfFiles(files), context);

test('a Procfile alone: the source and nothing else', async () => {
  assert.deepEqual(await planOf({ Procfile: 'web: ./serve\n', serve: 'x' }), {
    language: 'Procfile',
    details: ['no language is built: the files run as they are'],
    warnings: ['"serve" is not executable: git update-index --chmod=+x serve'],
    layers: [{ kind: 'source', id: 'source', inImage: true, leaveOut: [] }],
    defaultProcessTypes: {},
    env: { LANG: 'C.UTF-8' },
    path: [],
    varsMatter: false,
  });
});

test('the first start script is the web process', async () => {
  const { defaultProcessTypes } = await planOf({ 'server.sh': '', 'run.sh': '' });
  assert.deepEqual(defaultProcessTypes, { web: 'bash run.sh' });
});

test('Perl is added where a command names it', async () => {
  const { layers } = await planOf({ Procfile: 'web: exec perl app.pl\n', 'app.pl': '' });
  assert.deepEqual(
    layers.map(({ id }) => id),
    ['runtime', 'source'],
  );
});

test('an empty Procfile starts nothing', async () => {
  await assert.rejects(planOf({ Procfile: '# nothing\n' }), { message: 'nothing says how to start the app' });
});

test('neither a Procfile nor a start script: not ours', async () => {
  assert.equal(await shellDriver.detect(treeOfFiles({ 'README.md': '' })), undefined);
});
