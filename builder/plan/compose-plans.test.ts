import assert from 'node:assert/strict';
import { test } from 'node:test';
import { composePlans } from './compose-plans.ts';
import type { BuildPlan, PlannedLayer, RunLayer } from './plan.ts';

const run = (id: string, on: string[], more: Partial<RunLayer> = {}): RunLayer => ({
  kind: 'run',
  id,
  inImage: true,
  title: id,
  step: id,
  on,
  key: [],
  scope: 'app',
  files: [],
  stack: 'run',
  user: 'app',
  script: 'true',
  env: {},
  path: [],
  vars: 'none',
  caches: {},
  keep: '/app',
  leaveOut: [],
  quiet: false,
  ...more,
});
const source = (leaveOut: string[] = []): PlannedLayer => ({
  kind: 'source',
  id: 'source',
  inImage: true,
  leaveOut,
});
const seed = (prefix: string): PlannedLayer => ({
  kind: 'seed',
  id: 'runtime',
  inImage: true,
  part: 'runtime',
  prefix,
});
const plan = (language: string, layers: PlannedLayer[], more: Partial<BuildPlan> = {}): BuildPlan => ({
  language,
  details: [`${language} 1`],
  warnings: [],
  layers,
  defaultProcessTypes: { web: language },
  env: {},
  path: [`/opt/berth/${language}/bin`],
  varsMatter: false,
  ...more,
});

const node = plan(
  'node',
  [
    seed('/opt/berth/node'),
    run('headers', [], { inImage: false }),
    run('dependencies', ['runtime', 'headers']),
    source(['node_modules']),
    run('output', ['runtime', 'dependencies', 'source']),
  ],
  { env: { NODE_ENV: 'production', A: '1' } },
);
const python = plan(
  'python',
  [
    run('runtime', [], { scope: 'platform', keep: '/opt/berth/python' }),
    run('dependencies', ['runtime'], { after: ['runtime'] }),
    source(['.venv']),
    run('output', ['runtime', 'dependencies', 'source'], {
      env: { A: '3' },
      path: ['/opt/berth/python/bin'],
    }),
  ],
  { env: { A: '2' }, varsMatter: true },
);

test('one plan stays what it is', () => {
  assert.equal(composePlans([{ name: 'node', plan: node }]), node);
});

test('two languages share the source; the later stands on the earlier where it sees the source; the last one starts the app', () => {
  const composed = composePlans([
    { name: 'node', plan: node },
    { name: 'python', plan: python },
  ]);
  assert.deepEqual(
    composed.layers.map((layer) => [layer.id, layer.kind === 'run' ? layer.on : []]),
    [
      ['node-runtime', []],
      ['node-headers', []],
      ['node-dependencies', ['node-runtime', 'node-headers']],
      ['python-runtime', []],
      ['python-dependencies', ['python-runtime']],
      ['source', []],
      ['node-output', ['node-runtime', 'node-dependencies', 'source']],
      [
        'python-output',
        [
          'node-runtime',
          'node-dependencies',
          'python-runtime',
          'python-dependencies',
          'source',
          'node-output',
        ],
      ],
    ],
  );
  const output = composed.layers.at(-1) as RunLayer;
  assert.deepEqual(output.env, { NODE_ENV: 'production', A: '3' });
  assert.deepEqual(output.path, ['/opt/berth/python/bin', '/opt/berth/node/bin']);
  assert.equal(output.step, 'python output');
  assert.deepEqual((composed.layers[4] as RunLayer).after, ['python-runtime']);
  const shared = composed.layers[5];
  assert.deepEqual(shared?.kind === 'source' && shared.leaveOut, ['.venv', 'node_modules']);
  assert.deepEqual(
    { ...composed, layers: [] },
    {
      language: 'node + python',
      details: ['node 1', 'python 1'],
      warnings: [],
      layers: [],
      defaultProcessTypes: { web: 'python' },
      env: { NODE_ENV: 'production', A: '2' },
      path: ['/opt/berth/python/bin', '/opt/berth/node/bin'],
      varsMatter: true,
    },
  );
});

test("a static site after Node runs on the app's own Node", () => {
  const older = plan('node', [
    run('runtime', [], { scope: 'platform', keep: '/opt/berth/node' }),
    source(),
    run('output', ['runtime', 'source']),
  ]);
  const site = plan('site', [
    seed('/opt/berth/node'),
    { kind: 'files', id: 'server', inImage: true, files: [] },
    source(),
    run('pages', ['runtime', 'source']),
  ]);
  const { layers } = composePlans([
    { name: 'node', plan: older },
    { name: 'static', plan: site },
  ]);
  assert.deepEqual(
    layers.map(({ id }) => id),
    ['node-runtime', 'static-server', 'source', 'node-output', 'static-pages'],
  );
  assert.deepEqual((layers.at(-1) as RunLayer).on, ['node-runtime', 'source', 'node-output']);
});

test('parts of one Node at one prefix stay apart; of another Node there, the first stays', () => {
  const part = (id: string, what: 'node' | 'npm'): PlannedLayer => ({
    kind: 'seed',
    id,
    inImage: true,
    part: what,
    prefix: '/opt/berth/node',
  });
  const app = plan('node', [part('runtime', 'node'), part('npm', 'npm'), source()]);
  const needs = { when: () => true, on: ['runtime', 'npm'], env: {} };
  const site = plan('site', [
    part('runtime', 'node'),
    part('npm', 'npm'),
    source(),
    run('pages', ['runtime', 'source'], { after: ['npm'], withCompilers: needs }),
  ]);
  const { layers } = composePlans([
    { name: 'node', plan: app },
    { name: 'static', plan: site },
  ]);
  assert.deepEqual(
    layers.map(({ id }) => id),
    ['node-runtime', 'node-npm', 'source', 'static-pages'],
  );
  const pages = layers.at(-1) as RunLayer;
  assert.deepEqual(
    [pages.on, pages.after, pages.withCompilers?.on],
    [['node-runtime', 'node-npm', 'source'], ['node-npm'], ['node-runtime', 'node-npm']],
  );
});
