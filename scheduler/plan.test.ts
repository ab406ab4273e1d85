// The plan's steps one by one: a state goes in, the whole list of actions comes out.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';
import { plan } from './plan.ts';

const instance = (id: string, change: Partial<SchedulerInstance> = {}): SchedulerInstance => ({
  id,
  releaseId: 'r1',
  gen: 1,
  processType: 'web',
  slot: 1,
  hostId: 'h1',
  desired: 'running',
  state: 'ready',
  oneOff: false,
  routed: false,
  unroutedVersion: null,
  unroutedMsAgo: null,
  inFlight: null,
  restarts: 0,
  exitCode: null,
  fatal: null,
  message: null,
  tail: null,
  createdMsAgo: 1000,
  memoryMb: 512,
  ...change,
});

const appState = (change: Partial<AppState> = {}): AppState => ({
  appId: 'a1',
  app: 'hello',
  version: 7,
  deleted: false,
  currentReleaseId: null,
  currentGen: 0,
  formation: [
    { processType: 'web', quantity: 1, memoryMb: 512 },
    { processType: 'worker', quantity: 1, memoryMb: 256 },
  ],
  deployment: null,
  releases: [
    { id: 'r1', number: 1, processTypes: { web: 'node web.js', worker: 'node worker.js' } },
    {
      id: 'r2',
      number: 2,
      processTypes: { web: 'node web.js', worker: 'node worker.js', release: './migrate' },
    },
  ],
  instances: [],
  hosts: [{ id: 'h1', name: 'one', state: 'ready', memoryMb: 4096, reservedMb: 0, cpus: 2, instances: 0 }],
  routersAcked: 5,
  routeVersion: 5,
  ...change,
});

const deployment = (state: 'pending' | 'release_phase' | 'starting', change = {}) => ({
  id: 'd1',
  releaseId: 'r1',
  gen: 1,
  state,
  ageMs: 100,
  stateMs: 100,
  ...change,
});

/** v1 serves as generation 1, v2 is being deployed as generation 2. */
const replacing = (state: 'pending' | 'release_phase' | 'starting', instances: SchedulerInstance[]) =>
  appState({
    currentReleaseId: 'r1',
    currentGen: 1,
    deployment: deployment(state, { releaseId: 'r2', gen: 2 }),
    instances: [
      instance('old', { routed: true }),
      instance('oldworker', { processType: 'worker' }),
      ...instances,
    ],
  });
const next = (id: string, change: Partial<SchedulerInstance> = {}) =>
  instance(id, { releaseId: 'r2', gen: 2, ...change });

test('a first deployment creates every process of the formation in the step that starts it', () => {
  const create = { kind: 'create', releaseId: 'r1', gen: 1, slot: 1, hostId: 'h1', oneOff: false };
  assert.deepEqual(plan(appState({ deployment: deployment('pending') })).actions, [
    {
      kind: 'deployment',
      deploymentId: 'd1',
      from: 'pending',
      to: 'starting',
      output: ['-----> Starting web.1, worker.1'],
    },
    { ...create, processType: 'web' },
    { ...create, processType: 'worker' },
  ]);
});

test('a release phase runs before anything of its release starts', () => {
  assert.deepEqual(plan(replacing('pending', [])).actions, [
    {
      kind: 'deployment',
      deploymentId: 'd1',
      from: 'pending',
      to: 'release_phase',
      output: ['-----> Running the release phase: ./migrate'],
    },
    { kind: 'create', releaseId: 'r2', gen: 2, processType: 'release', slot: 1, hostId: 'h1', oneOff: true },
  ]);
});

test('a release phase that exits with an error fails the deployment with its last words', () => {
  const phase = next('phase', {
    processType: 'release',
    oneOff: true,
    state: 'stopped',
    exitCode: 2,
    tail: 'no table\nbye\n',
  });
  assert.deepEqual(plan(replacing('release_phase', [phase])).actions, [
    {
      kind: 'deployment',
      deploymentId: 'd1',
      from: 'release_phase',
      to: 'failed',
      error: 'release phase failed with exit code 2',
      hint: 'the old release goes on serving; fix the release command and push again',
      output: ['       no table', '       bye'],
    },
  ]);
});

test('a restart of the current release does not run its release phase again', () => {
  const state = appState({
    currentReleaseId: 'r2',
    currentGen: 1,
    deployment: deployment('pending', { releaseId: 'r2', gen: 2 }),
  });
  const [first] = plan(state).actions;
  assert.equal(first?.kind === 'deployment' && first.to, 'starting');
});

test('route, unroute and success are one write, made when every new instance is ready', () => {
  const starting = [next('new', { state: 'starting' }), next('newworker', { processType: 'worker' })];
  assert.deepEqual(plan(replacing('starting', starting)).actions, []);
  const ready = [next('new'), next('newworker', { processType: 'worker' })];
  assert.deepEqual(plan(replacing('starting', ready)).actions, [
    { kind: 'route', instanceIds: ['new'] },
    { kind: 'unroute', instanceIds: ['old'] },
    { kind: 'deployment', deploymentId: 'd1', from: 'starting', to: 'succeeded' },
  ]);
});

test('the old instance leaves in steps: acknowledged and drained, stopped, forgotten', () => {
  const after = (old: Partial<SchedulerInstance>, more: Partial<AppState> = {}) =>
    plan(
      appState({
        currentReleaseId: 'r2',
        currentGen: 2,
        formation: [{ processType: 'web', quantity: 1, memoryMb: 512 }],
        instances: [
          next('new', { routed: true }),
          instance('old', { unroutedVersion: 6, unroutedMsAgo: 400, ...old }),
        ],
        ...more,
      }),
    );
  assert.deepEqual(after({ inFlight: 0 }), { actions: [], wakeInMs: 29_600 }); // 5 acknowledged, 6 needed
  assert.deepEqual(after({ inFlight: 3 }, { routersAcked: 6 }), { actions: [], wakeInMs: 29_600 });
  assert.deepEqual(after({ inFlight: 0 }, { routersAcked: null }), { actions: [], wakeInMs: 2_600 });
  const stop = [{ kind: 'stop', instanceIds: ['old'] }];
  assert.deepEqual(after({ inFlight: 0 }, { routersAcked: 6 }).actions, stop);
  assert.deepEqual(after({ inFlight: 3, unroutedMsAgo: 30_000 }).actions, stop);
  assert.deepEqual(after({ desired: 'stopped' }).actions, []);
  assert.deepEqual(after({ desired: 'stopped', state: 'stopped' }).actions, [
    { kind: 'forget', instanceIds: ['old'] },
  ]);
});

test('a new instance that crashes three times fails its deployment, and nothing of the old is touched', () => {
  const crashed = next('new', {
    state: 'crashed',
    restarts: 3,
    message: 'exited with code 1',
    tail: 'Error: boom',
  });
  assert.deepEqual(plan(replacing('starting', [crashed])).actions, [
    {
      kind: 'deployment',
      deploymentId: 'd1',
      from: 'starting',
      to: 'failed',
      error: 'web.1 exited with code 1 (3 times in a row)',
      hint: 'see what it printed above, fix it and push again',
      output: ['       Error: boom'],
    },
  ]);
});

test('a start that can never work fails its deployment at the first report', () => {
  const message = 'listens on 127.0.0.1:5000; it must listen on 0.0.0.0:5000 (PORT)';
  const [action] = plan(
    replacing('starting', [next('new', { state: 'crashed', restarts: 1, fatal: 'wrong_port', message })]),
  ).actions;
  assert.ok(action?.kind === 'deployment');
  assert.equal(action.error, `web.1 ${message}`);
  assert.equal(action.hint, 'listen on 0.0.0.0 and the port in the PORT variable');
});

test('no room on any host is said in numbers', () => {
  const hosts = [
    {
      id: 'h1',
      name: 'one',
      state: 'ready' as const,
      memoryMb: 1000,
      reservedMb: 500,
      cpus: 2,
      instances: 1,
    },
  ];
  const [action] = plan(appState({ hosts, deployment: deployment('pending') })).actions;
  assert.ok(action?.kind === 'deployment');
  assert.equal(action.error, 'no host has 512 MB of memory free for "web" (400 MB at most, 1 host)');
});

test('a platform that has just started waits for its host before it gives up', () => {
  const state = (stateMs: number) => appState({ hosts: [], deployment: deployment('pending', { stateMs }) });
  assert.deepEqual(plan(state(100)), { actions: [], wakeInMs: 5_000 });
  const [action] = plan(state(30_000)).actions;
  assert.equal(action?.kind === 'deployment' && action.error, 'no host is ready');
});

test('scaling down and up again waits for the slot instead of making two of one name', () => {
  const state = appState({
    currentReleaseId: 'r1',
    currentGen: 1,
    formation: [{ processType: 'worker', quantity: 1, memoryMb: 256 }],
    instances: [instance('w1', { processType: 'worker', desired: 'stopped' })],
  });
  assert.deepEqual(plan(state).actions, []);
  const ended = {
    ...state,
    instances: [instance('w1', { processType: 'worker', desired: 'stopped', state: 'stopped' })],
  };
  assert.deepEqual(
    plan(ended).actions.map((action) => action.kind),
    ['forget', 'create'],
  );
});

test('an instance that stops being ready leaves the routes and comes back by itself', () => {
  const serving = (change: Partial<SchedulerInstance>) =>
    plan(
      appState({
        currentReleaseId: 'r1',
        currentGen: 1,
        formation: [{ processType: 'web', quantity: 1, memoryMb: 512 }],
        instances: [instance('i1', change)],
      }),
    ).actions;
  assert.deepEqual(serving({ routed: true, state: 'crashed', restarts: 9, fatal: 'boot_timeout' }), [
    { kind: 'unroute', instanceIds: ['i1'] },
  ]);
  assert.deepEqual(serving({ state: 'starting' }), []);
  assert.deepEqual(serving({}), [{ kind: 'route', instanceIds: ['i1'] }]);
});

test('a single host that is lost is waited for: its instances may well be serving', () => {
  const hosts = [
    { id: 'h1', name: 'one', state: 'lost' as const, memoryMb: 4096, reservedMb: 0, cpus: 2, instances: 1 },
  ];
  const state = appState({
    currentReleaseId: 'r1',
    currentGen: 1,
    formation: [{ processType: 'web', quantity: 1, memoryMb: 512 }],
    hosts,
    instances: [instance('i1', { routed: true })],
  });
  assert.deepEqual(plan(state).actions, []);
  const second = {
    id: 'h2',
    name: 'two',
    state: 'ready' as const,
    memoryMb: 4096,
    reservedMb: 0,
    cpus: 2,
    instances: 0,
  };
  assert.deepEqual(plan({ ...state, hosts: [...hosts, second] }).actions, [
    { kind: 'unroute', instanceIds: ['i1'] },
    { kind: 'lose', instanceIds: ['i1'] },
  ]);
});

test('a deleted app is stopped and forgotten without a drain', () => {
  const state = appState({
    deleted: true,
    currentReleaseId: 'r1',
    currentGen: 1,
    instances: [instance('i1', { routed: true }), instance('i2', { state: 'stopped' })],
  });
  assert.deepEqual(plan(state).actions, [
    { kind: 'unroute', instanceIds: ['i1'] },
    { kind: 'forget', instanceIds: ['i2'] },
    { kind: 'stop', instanceIds: ['i1'] },
  ]);
});

test('a one-off gets a host, and is readable for a minute after its end', () => {
  const run = (change: Partial<SchedulerInstance>) =>
    appState({ instances: [instance('run', { oneOff: true, processType: 'run', ...change })] });
  assert.deepEqual(plan(run({ hostId: null, state: 'pending' })).actions, [
    { kind: 'place', instanceId: 'run', hostId: 'h1' },
  ]);
  assert.deepEqual(plan(run({ state: 'stopped' })), { actions: [], wakeInMs: 60_000 });
  assert.deepEqual(plan(run({ state: 'stopped' }), { endedMs: new Map([['run', 60_000]]) }).actions, [
    { kind: 'forget', instanceIds: ['run'] },
  ]);
});
