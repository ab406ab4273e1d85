// The scheduler around its plan: the lease that fences it, the queue that keeps an app's looks apart, the loop that reads and applies.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppState } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { AppQueue } from './app-queue.ts';
import { followHints } from './follow-hints.ts';
import { Lease } from './lease.ts';
import { createReconciler } from './reconcile-app.ts';

const log = createLogger('test', 'silent');
const times = { ttlMs: 60_000, renewMs: 20, retryMs: 10 };

function fakeLease() {
  const server = { epoch: 0, isRefusing: false, isAway: false, asked: [] as (number | null)[] };
  const takeLease = async (_holder: string, epoch: number | null, ttlMs: number) => {
    server.asked.push(epoch);
    if (server.isAway) throw new AppError('unavailable', 'the controller cannot be reached');
    if (server.isRefusing) throw new AppError('conflict', 'held by another');
    if (epoch === null) server.epoch++;
    return { epoch: server.epoch, ttlMs };
  };
  return { server, controller: { takeLease } };
}

function startLease(t: TestContext, more: { now?: () => number; onTaken?: () => void } = {}) {
  const { server, controller } = fakeLease();
  const lease = new Lease({ controller, holder: 'me', log, times, onTaken: () => {}, ...more });
  const over = new AbortController();
  const loop = lease.run(over.signal);
  t.after(async () => {
    over.abort();
    await loop;
  });
  return { server, lease };
}

async function until(condition: () => boolean, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `did not come true: ${condition.toString()}`);
    await sleep(2);
  }
}

test('the lease is taken, renewed, and everything is looked at once when it is taken', async (t) => {
  let taken = 0;
  const { server, lease } = startLease(t, { onTaken: () => taken++ });
  await until(() => server.asked.length >= 3);
  assert.equal(lease.epoch, 1);
  assert.equal(taken, 1);
  assert.deepEqual(server.asked.slice(0, 3), [null, 1, 1]);
});

test('a lease that cannot be renewed ends at two thirds of its life, by the clock that nobody can set', async (t) => {
  let now = 0;
  const { server, lease } = startLease(t, { now: () => now });
  await until(() => lease.epoch === 1);
  server.isAway = true;
  now = times.ttlMs * (2 / 3) - 1;
  assert.equal(lease.epoch, 1);
  now += 2;
  assert.equal(lease.epoch, null);
});

test('a lease that another holds is asked for again and taken under a new epoch', async (t) => {
  const { server, lease } = startLease(t);
  await until(() => lease.epoch === 1);
  server.isRefusing = true;
  await until(() => lease.epoch === null);
  server.isRefusing = false;
  await until(() => lease.epoch === 2);
});

test('an app is never worked on twice at once, and a mark that comes meanwhile is not lost', async () => {
  let running = 0;
  let most = 0;
  let looks = 0;
  const queue = new AppQueue(async () => {
    most = Math.max(most, ++running);
    await sleep(10);
    running--;
    looks++;
    return null;
  });
  queue.dirty('a');
  queue.dirty('a');
  await sleep(3);
  queue.dirty('a');
  queue.dirty('a');
  await until(() => looks === 2);
  await sleep(30);
  assert.equal(most, 1);
  assert.equal(looks, 2);
  queue.close();
});

test('work begins in the same turn as the mark', () => {
  let begun = 0;
  const queue = new AppQueue(async () => {
    begun++;
    return null;
  });
  queue.dirty('a');
  assert.equal(begun, 1);
  queue.close();
});

test('a look can ask to be woken, and the earlier of two wishes counts', async () => {
  let looks = 0;
  const queue = new AppQueue(async () => (++looks === 1 ? 20 : null));
  queue.dirty('a');
  await sleep(1);
  queue.wakeIn('a', 5_000);
  await until(() => looks === 2);
  queue.close();
});

const state = {
  appId: 'a',
  app: 'a',
  version: 1,
  deleted: false,
  currentReleaseId: 'r',
  currentGen: 1,
  formation: [{ processType: 'web', quantity: 1, memoryMb: 1 }],
  deployment: null,
  releases: [{ id: 'r', number: 1, processTypes: { web: 'x' } }],
  instances: [],
  hosts: [{ id: 'h', name: 'h', state: 'ready', memoryMb: 100, reservedMb: 0, cpus: 1, instances: 0 }],
  routersAcked: null,
  routeVersion: 1,
} satisfies AppState;

test('a conflict makes it read again; a stale epoch makes it drop the lease', async () => {
  const answers = ['conflict', 'stale_epoch'] as const;
  let reads = 0;
  let drops = 0;
  let applies = 0;
  const work = createReconciler({
    controller: {
      readApp: async () => {
        reads++;
        return state;
      },
      apply: async () => {
        throw new AppError(answers[applies++] ?? 'internal', 'no');
      },
    },
    lease: { epoch: 4, drop: () => drops++ },
    log,
  });
  assert.equal(await work('a'), null);
  assert.deepEqual([reads, applies, drops], [2, 2, 1]);
});

test('without a lease nothing is read nor written', async () => {
  let calls = 0;
  const count = async (): Promise<never> => {
    calls++;
    throw new Error('must not be called');
  };
  const work = createReconciler({
    controller: { readApp: count, apply: count },
    lease: { epoch: null, drop() {} },
    log,
  });
  assert.equal(await work('a'), null);
  assert.equal(calls, 0);
});

test('a controller that is away is asked again in a second, and a plan that never settles does not spin', async () => {
  const lease = { epoch: 1, drop() {} };
  const away = async (): Promise<never> => {
    throw new AppError('unavailable', 'gone');
  };
  assert.equal(await createReconciler({ controller: { readApp: away, apply: away }, lease, log })('a'), 1000);
  let applies = 0;
  const deaf = createReconciler({
    controller: {
      readApp: async () => state,
      apply: async () => {
        applies++;
        return { version: 1, routeVersion: 1 };
      },
    },
    lease,
    log,
  });
  assert.equal(await deaf('a'), 1000);
  assert.equal(applies, 25);
});

test('hints are followed over a broken stream', async () => {
  const over = new AbortController();
  let opened = 0;
  const seen: string[] = [];
  async function* hints() {
    opened++;
    yield { kind: 'all' as const };
    yield { kind: 'app' as const, appId: `app${opened}` };
    if (opened === 2) over.abort();
    throw new AppError('unavailable', 'broke');
  }
  await followHints(
    { hints },
    { onApp: (id) => seen.push(id), onAll: () => seen.push('all') },
    log,
    over.signal,
  );
  assert.deepEqual(seen, ['all', 'app1', 'all', 'app2']);
});
