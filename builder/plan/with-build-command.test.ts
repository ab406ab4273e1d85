import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, RunLayer, SourceLayer } from './plan.ts';
import { withBuildCommand } from './with-build-command.ts';

const output = {
  kind: 'run',
  id: 'output',
  inImage: true,
  title: 'Build',
  script: 'npm run build',
  env: { A: '1' },
} as unknown as RunLayer;
const plan = (layers: BuildPlan['layers']): BuildPlan => ({
  language: 'X',
  details: [],
  warnings: [],
  layers,
  defaultProcessTypes: {},
  env: { NODE_ENV: 'production' },
  path: ['/opt/x/bin'],
  varsMatter: false,
});
const source: SourceLayer = { kind: 'source', id: 'source', inImage: true, leaveOut: [] };

test('without a command a plan stays what it is', () => {
  const given = plan([source, output]);
  assert.equal(withBuildCommand(given, undefined), given);
});

test("a command takes the place of the language's own build step, and is no part of its script", () => {
  const { layers } = withBuildCommand(plan([source, output]), 'make "all"; true');
  const made = layers[1] as RunLayer;
  assert.equal(layers.length, 2);
  assert.equal(made.script, 'exec /bin/sh -c "$BERTH_BUILD_COMMAND"');
  assert.deepEqual(made.env, { A: '1', BERTH_BUILD_COMMAND: 'make "all"; true' });
});

test('where there is no build step it runs on the whole image', () => {
  const hidden = { ...output, id: 'helper', inImage: false };
  const made = withBuildCommand(plan([hidden, source]), 'make').layers[2] as RunLayer;
  assert.deepEqual(made.on, ['source']);
  assert.deepEqual(made.env, { NODE_ENV: 'production', BERTH_BUILD_COMMAND: 'make' });
  assert.deepEqual(made.path, ['/opt/x/bin']);
  assert.equal(made.keep, '/app');
});
