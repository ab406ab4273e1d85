import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageKey, layerKey, varsDigest } from './keys.ts';
import type { RunLayer } from './plan/plan.ts';

const secret = Buffer.alloc(32, 7);
const layer: RunLayer = {
  kind: 'run',
  id: 'dependencies',
  inImage: true,
  title: 't',
  step: 's',
  on: [],
  key: ['a'],
  scope: 'app',
  files: [],
  stack: 'run',
  user: 'app',
  script: 'npm ci',
  env: {},
  path: [],
  vars: 'install',
  caches: {},
  keep: '/app',
  leaveOut: [],
  quiet: false,
};
const context = { stack: 'sha256:1', below: ['sha256:2'], appId: 'a1', vars: '' };

test('an image key depends on tree, stack, driver, settings and vars, and on nothing else', () => {
  const parts = {
    tree: 't',
    stack: ['s'],
    driver: { name: 'node', version: 1 },
    configuration: [],
    vars: '',
  };
  const key = imageKey(parts);
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(imageKey({ ...parts }), key);
  for (const other of [
    { tree: 'u' },
    { stack: ['r'] },
    { driver: { name: 'node', version: 2 } },
    { configuration: [['node']] },
    { vars: 'v' },
  ])
    assert.notEqual(imageKey({ ...parts, ...other }), key);
});

test("a layer of one app is never another's; the platform's is everybody's", () => {
  assert.notEqual(layerKey(layer, context), layerKey(layer, { ...context, appId: 'a2' }));
  const shared: RunLayer = { ...layer, scope: 'platform' };
  assert.equal(layerKey(shared, context), layerKey(shared, { ...context, appId: 'a2' }));
  assert.notEqual(layerKey(layer, context), layerKey({ ...layer, title: 'other', script: 'npm i' }, context));
  assert.equal(layerKey(layer, context), layerKey({ ...layer, title: 'other' }, context));
});

test('only variables that matter enter a key, and never readably', () => {
  const vars = { npm_config_registry: 'https://r.example.org', DATABASE_URL: 'postgres://' };
  assert.equal(varsDigest(secret, vars, 'none'), '');
  assert.equal(varsDigest(secret, { DATABASE_URL: 'x' }, 'install'), '');
  assert.equal(
    varsDigest(secret, vars, 'install'),
    varsDigest(secret, { ...vars, DATABASE_URL: 'other' }, 'install'),
  );
  assert.notEqual(
    varsDigest(secret, vars, 'all'),
    varsDigest(secret, { ...vars, DATABASE_URL: 'other' }, 'all'),
  );
  assert.notEqual(varsDigest(secret, vars, 'all'), varsDigest(Buffer.alloc(32, 8), vars, 'all'));
});
