import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanContext } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { staticDriver } from './driver.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => [],
};
const planOf = (files: Record<string, string>, more: Partial<PlanContext> = {}) =>
  staticDriver.plan(treeOfFiles(files), { ...context, ...more });
const page = { 'site/index.html': '<h1>hi</h1>' };

test('a Staticfile names the folder and the page for unknown paths; what cannot be honoured is said', async () => {
  const Staticfile =
    '---\n# ours\nroot: site\r\npushstate: enabled\ngzip: on\nssi: disabled\nforce_https: true\nstatus_codes:\n  404: /lost.html\n';
  const { env, warnings } = await planOf({ ...page, Staticfile });
  assert.deepEqual(env, {
    NODE_ENV: 'production',
    BERTH_STATIC_ROOT: 'site',
    BERTH_STATIC_FALLBACK: 'index.html',
  });
  assert.deepEqual(warnings, [
    'left out: Staticfile line 7: "force_https" cannot be honoured',
    'left out: Staticfile line 8: "status_codes:" is not understood',
    'left out: Staticfile line 9: "404: /lost.html" is not understood',
  ]);
  assert.deepEqual((await planOf({ ...page, Staticfile: '' })).env, { NODE_ENV: 'production' });
});

test('a folder that is not there is refused, but for one that a language before may write', async () => {
  const refused = (files: Record<string, string>) => planOf(files).catch(({ message }: Error) => message);
  assert.equal(
    await refused({ Staticfile: 'root: www' }),
    'the folder "www" of Staticfile is not in the commit',
  );
  const built = { 'static.json': '{"root":"dist/"}' };
  assert.equal(await refused(built), 'the folder "dist/" of static.json is not in the commit');
  assert.deepEqual((await planOf(built, { isLater: true })).env, { NODE_ENV: 'production' });
});

test('a site with passwords is never published without them', async () => {
  const files = { ...page, Staticfile: 'root: site', 'Staticfile.auth': 'me:$apr1$x' };
  await assert.rejects(planOf(files), { message: 'the passwords of "Staticfile.auth" cannot be asked for' });
});
