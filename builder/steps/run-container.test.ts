import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { RunLayer } from '../plan/plan.ts';
import { containerBody, runContainer } from './run-container.ts';
import { leftOutPaths, stepEnvironment } from './run-step.ts';

const limits = { memoryBytes: 2048, cpuShares: 256, pids: 4096, diskBytes: 8192, timeMs: 1, logBytes: 1 };

test('what the engine is asked for, whole', () => {
  const run = {
    image: 'sha256:1',
    script: 'npm ci',
    user: 'app',
    env: { PATH: '/bin', A: 'b=c' },
    binds: ['/x:/y:ro'],
    labels: { 'berth.build': 'b1' },
    userns: 'build-a1',
    workingDir: '/app',
  } as const;
  assert.deepEqual(containerBody(run, limits), {
    Image: 'sha256:1',
    Entrypoint: [],
    Cmd: ['/bin/sh', '-e', '-c', 'npm ci'],
    Env: ['PATH=/bin', 'A=b=c'],
    User: 'app',
    WorkingDir: '/app',
    Hostname: 'build',
    Labels: { 'berth.build': 'b1', 'berth.userns': 'build-a1' },
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      Memory: 2048,
      MemorySwap: 2048,
      CpuShares: 256,
      PidsLimit: 4096,
      StorageOpt: { size: '8192' },
      NetworkMode: 'berth-builds',
      Init: true,
      Binds: ['/x:/y:ro'],
      SecurityOpt: ['no-new-privileges'],
      OomScoreAdj: 500,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '64k', 'max-file': '1' } },
    },
  });
});

test('a command that says nothing for a while is said to be still running, and its own words stay its own', async () => {
  async function* output() {
    await sleep(500);
    yield { stream: 'stdout' as const, data: Buffer.from('done\n') };
  }
  const engine = {
    createContainer: async () => 'c1',
    attach: async () => ({ output, socket: { destroy: () => {} } }),
    startContainer: async () => {},
    waitContainer: async () => ({ exitCode: 0 }),
  } as unknown as EngineClient;
  const run = {
    image: 'i',
    script: 's',
    user: 'app',
    env: {},
    binds: [],
    labels: {},
    userns: 'u',
    workingDir: '/',
  } as const;
  const lines: string[] = [];
  const end = await runContainer(engine, run, {
    limits,
    signal: new AbortController().signal,
    mask: (text) => text,
    onLine: (line) => lines.push(line),
    onBytes: () => {},
    onCreated: () => {},
    silenceMs: 40,
  });
  assert.ok(lines.length >= 3, 'it was said more than once');
  for (const line of lines.slice(0, -1)) assert.match(line, /^\(still running after \d s\)$/);
  assert.equal(lines.at(-1), 'done');
  assert.deepEqual(end, { exitCode: 0, tail: 'done\n' });
});

const layer = {
  vars: 'all',
  env: { npm_config_cache: '/cache/npm', NODE_ENV: 'production' },
  path: ['/opt/berth/node/bin'],
} as unknown as RunLayer;
const sources = { env: { HTTPS_PROXY: 'http://proxy:3128' }, gitEnv: {} };

test("a step sees the app's variables, but not those that would take over its tools", () => {
  const vars = {
    API_URL: 'x',
    PATH: '/evil',
    LD_PRELOAD: '/evil.so',
    HOME: '/evil',
    npm_config_cache: '/evil',
    NODE_ENV: 'staging',
  };
  assert.deepEqual(stepEnvironment(layer, sources, vars), {
    HTTPS_PROXY: 'http://proxy:3128',
    API_URL: 'x',
    NODE_ENV: 'staging',
    npm_config_cache: '/cache/npm',
    PATH: '/opt/berth/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
  });
});

test("a step of the platform sees none of the app's variables", () => {
  const env = stepEnvironment({ ...layer, vars: 'none' }, sources, { API_URL: 'x', NODE_ENV: 'staging' });
  assert.equal(env['API_URL'], undefined);
  assert.equal(env['NODE_ENV'], 'production');
});

test('only what was written below "keep" stays', () => {
  const paths = leftOutPaths({ keep: '/app', leaveOut: ['.npm'] });
  assert.ok(
    paths.includes('/tmp') &&
      paths.includes('/cache') &&
      paths.includes('/opt') &&
      paths.includes('/app/.npm'),
  );
  assert.ok(!paths.includes('/app'));
});
