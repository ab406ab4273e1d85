// The builder as a process: with a real queue, it takes jobs, survives its own death, and leaves nothing behind.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCommand } from '@berth/kit/run-command.ts';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { FakeBuild } from './fake-controller.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const folder = mkdtempSync('/tmp/berth-builder-queue-');
const redisSocket = join(folder, 'redis.sock');
let bench: Workbench;
let redis: ChildProcess;
let builder: ChildProcess;
let connection: Redis;
let queue: Queue;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbt6' });
  const argv = ['redis-server', '--port', '0', '--unixsocket', redisSocket, '--dir', folder, '--save', ''];
  redis = startCommand(argv as [string, ...string[]], { env: { PATH: '/usr/bin:/bin' }, stdio: 'ignore' });
  connection = new Redis({ path: redisSocket, maxRetriesPerRequest: null, retryStrategy: () => 50 });
  connection.on('error', () => {}); // until it is up
  queue = new Queue('builds', { connection, prefix: 'berth' });
  builder = startBuilder();
});

after(async () => {
  builder.kill('SIGTERM');
  await once(builder, 'exit');
  await queue.close();
  connection.disconnect();
  redis.kill('SIGTERM');
  await once(redis, 'exit');
  await bench.close();
  rmSync(folder, { recursive: true });
});

function startBuilder(): ChildProcess {
  const { config } = bench.shop;
  return startCommand([process.execPath, new URL('../../builder/main.ts', import.meta.url).pathname], {
    env: {
      PATH: '/usr/bin:/bin',
      BERTH_DATA: join(config.dataDir, '..'),
      BERTH_CONTROLLER_SOCKET: config.controllerSocket,
      BERTH_ENGINE_SOCKET: config.engineSocket,
      REDIS_URL: `unix://${redisSocket}`,
      BERTH_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function ended(build: FakeBuild, limitMs = 30_000): Promise<FakeBuild> {
  const deadline = performance.now() + limitMs;
  while (!build.end) {
    assert.ok(performance.now() < deadline, `no end within ${limitMs} ms:\n${build.output}`);
    await sleep(20);
  }
  return build;
}

const app = (script: string) => ({
  'package.json': JSON.stringify({
    name: 'a',
    engines: { node: '24.x' },
    scripts: { build: 'node build.js', start: 'node s.js' },
  }),
  's.js': '',
  'build.js': script,
});

test('a job in the queue becomes a finished build', async () => {
  const build = await bench.prepare(app('console.log("built")'));
  await queue.add('build', { buildId: build.started.id });
  await ended(build);
  assert.equal(build.end?.status, 'succeeded', build.output);
});

test('a builder that is killed gives its build back, removes its container and finishes it in its next life', async () => {
  const build = await bench.prepare(app('setTimeout(() => console.log("built"), 1500)'));
  await queue.add('build', { buildId: build.started.id });
  while ((await bench.engine.listContainers({ all: false })).length === 0) await sleep(20);
  const [left] = await bench.engine.listContainers({ all: false });
  builder.kill('SIGKILL');
  await once(builder, 'exit');
  build.started.epoch += 1;
  bench.controller.requeued.length = 0;
  builder = startBuilder();
  while (bench.controller.requeued.length === 0) await sleep(20);
  const now = await bench.engine.listContainers({ all: true });
  assert.ok(!now.some(({ Id }) => Id === left?.Id), 'the container of the killed builder is gone');
  // What the controller does when a worker gives its builds back.
  await queue.add('build', { buildId: build.started.id });
  await ended(build);
  assert.equal(build.end?.status, 'succeeded', build.output);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
});

test('a builder that is stopped leaves no container', async () => {
  const build = await bench.prepare(app('setInterval(() => {}, 1000)'));
  await queue.add('build', { buildId: build.started.id });
  while ((await bench.engine.listContainers({ all: false })).length === 0) await sleep(20);
  builder.kill('SIGTERM');
  const [code] = (await once(builder, 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.equal(build.end, undefined);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
  builder = startBuilder();
});
