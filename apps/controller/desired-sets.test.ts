// The whole pod that a host is told, for a web instance, a worker, a release phase and a one-off run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceRow } from '@berth/store/queries/instances.ts';
import type { ReleaseRow } from '@berth/store/queries/releases.ts';
import { toPod } from './desired-sets.ts';

const limits = { bootTimeoutSeconds: 60, releaseTimeoutSeconds: 3600, graceSeconds: 30 };
const release = {
  number: 7,
  image: `sha256:${'a'.repeat(64)}`,
  process_types: { web: 'node server.js', worker: 'node worker.js', release: 'node migrate.js' },
  port: 5000,
  run_user: 'app',
  manifest: {},
} as unknown as ReleaseRow;

function row(over: Partial<InstanceRow>): InstanceRow {
  const base = {
    id: 'i1',
    app_id: 'a1',
    process_type: 'web',
    slot: 2,
    one_off: false,
    command: null,
    terminal: null,
    desired: 'running',
    memory_mb: 512,
  };
  return { ...base, ...over } as InstanceRow;
}

test('a web instance gets config vars, its port and its names, and is ready when it listens', () => {
  assert.deepEqual(toPod(row({}), release, 'hello', { SECRET: 's', PORT: '1' }, limits), {
    id: 'i1',
    appId: 'a1',
    app: 'hello',
    name: 'web.2',
    processType: 'web',
    release: 7,
    image: release.image,
    command: ['/bin/sh', '-c', 'exec node server.js'],
    env: {
      SECRET: 's',
      PORT: '5000',
      BERTH_APP: 'hello',
      BERTH_RELEASE: 'v7',
      BERTH_PROCESS: 'web.2',
      BERTH_INSTANCE: 'i1',
    },
    user: 'app',
    memoryMb: 512,
    cpuShares: 1024,
    pids: 1024,
    readiness: { kind: 'port', port: 5000, httpPath: null, timeoutSeconds: 60 },
    graceSeconds: 30,
    desired: 'running',
    oneOff: null,
  });
});

test('a worker is ready when it runs; a release phase and a run end by themselves', () => {
  const worker = toPod(row({ process_type: 'worker', slot: 1 }), release, 'hello', {}, limits);
  assert.deepEqual(worker.readiness, { kind: 'running', stableMs: 1000 });
  const phase = toPod(row({ process_type: 'release', slot: 1, one_off: true }), release, 'hello', {}, limits);
  assert.deepEqual(phase.readiness, { kind: 'exit', timeoutSeconds: 3600 });
  assert.deepEqual(phase.command, ['/bin/sh', '-c', 'exec node migrate.js']);
  const terminal = { attach: true, tty: true, rows: 40, cols: 120 };
  const run = toPod(
    row({ process_type: 'run', one_off: true, command: ['bash', '-l'], terminal }),
    release,
    'hello',
    {},
    limits,
  );
  assert.deepEqual([run.command, run.oneOff, run.readiness.kind], [['bash', '-l'], terminal, 'exit']);
});

test('a health path in the config vars makes readiness an HTTP check', () => {
  const pod = toPod(row({}), release, 'hello', { BERTH_HEALTH_PATH: '/up' }, limits);
  assert.deepEqual(pod.readiness, { kind: 'port', port: 5000, httpPath: '/up', timeoutSeconds: 60 });
});

test('the manifest says how an instance is found ready, how long it may take to stop, and what lies below the config vars', () => {
  const manifest: ReleaseRow['manifest'] = {
    env: { A: 'file', B: 'file' },
    healthChecks: {
      web: { path: '/healthz', port: 9000, timeoutSeconds: 2, graceSeconds: 120 },
      worker: { port: 7000 },
    },
    stopTimeouts: { web: 90 },
    releaseTimeoutSeconds: 600,
  };
  const of = (over: Partial<InstanceRow>, vars = {}) =>
    toPod(row(over), { ...release, manifest }, 'hello', vars, limits);
  const web = of({}, { B: 'set' });
  assert.deepEqual([web.env['A'], web.env['B'], web.graceSeconds], ['file', 'set', 90]);
  const check = {
    kind: 'port',
    port: 5000,
    httpPath: '/healthz',
    timeoutSeconds: 120,
    checkPort: 9000,
    attemptSeconds: 2,
  };
  assert.deepEqual(web.readiness, check);
  assert.deepEqual(of({}, { BERTH_HEALTH_PATH: '/up' }).readiness, { ...check, httpPath: '/up' });
  const worker = of({ process_type: 'worker' });
  assert.deepEqual(worker.readiness, { kind: 'port', port: 7000, httpPath: null, timeoutSeconds: 60 });
  assert.equal(worker.graceSeconds, 30);
  const phase = of({ process_type: 'release', one_off: true });
  assert.deepEqual(phase.readiness, { kind: 'exit', timeoutSeconds: 600 });
});
