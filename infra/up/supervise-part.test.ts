import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLogger } from '@berth/kit/logging.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import { isAlive } from './processes.ts';
import { type PartPlan, type Running, SupervisedPart } from './supervise-part.ts';

const log = createLogger('test', 'silent');

/** A part that is a shell line; `ready` is at once unless given. */
function plan(
  line: string,
  more: Partial<PartPlan> & { ready?: Promise<void> } = {},
): PartPlan & { pids: number[] } {
  const pids: number[] = [];
  const start = (): Promise<Running> => {
    const child = startCommand(['/bin/sh', '-c', line], { stdio: 'ignore' });
    pids.push(child.pid ?? 0);
    return Promise.resolve({ pid: child.pid ?? 0, child, ready: more.ready ?? Promise.resolve() });
  };
  return {
    name: 'part',
    start,
    stopSignal: 'SIGTERM',
    stopLimitMs: 300,
    lastLines: () => ['its last words'],
    ...more,
    pids,
  };
}

async function until(holds: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !holds(); n++) await sleep(10);
  assert.ok(holds(), 'not within 5 s');
}

test('a part that dies is started again, and the status counts it', async () => {
  const one = plan('exec sleep 60');
  const part = new SupervisedPart(one, log);
  await part.start();
  process.kill(one.pids[0] ?? 0, 'SIGKILL');
  await until(() => one.pids.length === 2 && part.status().state === 'ready');
  assert.deepEqual([part.status().restarts, part.status().lastExit], [1, 'killed by SIGKILL']);
  await part.stop();
  assert.equal(part.status().state, 'stopped');
  assert.ok(!isAlive(one.pids[1] ?? 0));
});

test('a part that dies again and again is a crash loop with its last words, tried with growing delays', async () => {
  const one = plan('exit 3', { ready: new Promise(() => {}) });
  const part = new SupervisedPart(one, log);
  void part.start();
  await until(() => part.status().state === 'crash-loop');
  assert.deepEqual([part.status().lastExit, part.status().lastLines], ['exit code 3', ['its last words']]);
  assert.ok(one.pids.length <= 5);
  await part.stop();
});

test('a part that ignores its signal is killed after its limit', async () => {
  const one = plan('trap "" TERM; while :; do sleep 0.05; done');
  const part = new SupervisedPart(one, log);
  await part.start();
  await sleep(50); // the shell must have set its trap
  await part.stop();
  assert.ok(!isAlive(one.pids[0] ?? 0));
});

test('a part that is told to stop while it is being started ends as well', async () => {
  const one = plan('exec sleep 60');
  const start = one.start;
  const slow = { ...one, start: () => sleep(100).then(start) };
  const part = new SupervisedPart(slow, log);
  void part.start();
  await sleep(20);
  await part.stop();
  assert.equal(part.status().state, 'stopped');
  assert.ok(one.pids.every((pid) => !isAlive(pid)));
});

test('a part that fails to become ready is ended and tried again', async () => {
  const one = plan('exec sleep 60', { ready: Promise.reject(new Error('not ready after 60 s')) });
  const part = new SupervisedPart(one, log);
  void part.start();
  await until(() => one.pids.length >= 2);
  assert.equal(part.status().lastExit, 'not ready after 60 s');
  await part.stop();
  assert.ok(one.pids.every((pid) => !isAlive(pid)));
});
