// The scheduler around its plan: the lease that fences it, the queue that keeps an app's looks apart, the loop that reads and applies.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppState } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { AppQueue } from './app-queue.ts';
import { followHints } from './follow-hints.ts';
import { Lease } from './lease.ts';
import { createReconciler } from './reconcile-app.ts';

const log = createLogger('test', 'silent');
const times = { ttlMs: 90, renewMs: 20, retryMs: 10 };

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

test('the lease is taken, renewed, and everything is looked at once when it is taken', async () => {
  const { server, controller } = fakeLease();
  let taken = 0;
  const lease = new Lease({ controller, holder: 'me', log, times, onTaken: () => taken++ });
  const over = new AbortController();
  const loop = lease.run(over.signal);
  await sleep(70);
  assert.equal(lease.epoch, 1);
  assert.equal(taken, 1);
  assert.deepEqual(server.asked.slice(0, 3), [null, 1, 1]);
  over.abort();
  await loop;
});

test('a lease that cannot be renewed ends at two thirds of its life, by the clock that nobody can set', async () => {
  const { server, controller } = fakeLease();
  let now = 0;
  const lease = new Lease({ controller, holder: 'me', log, times, onTaken: () => {}, now: () => now });
  const over = new AbortController();
  const loop = lease.run(over.signal);
  await sleep(5);
  server.isAway = true;
  now = 59;
  assert.equal(lease.epoch, 1);
  now = 61;
  assert.equal(lease.epoch, null);
  over.abort();
  await loop;
});

test('a lease that another holds is asked for again and taken under a new epoch', async () => {
  const { server, controller } = fakeLease();
  const lease = new Lease({ controller, holder: 'me', log, times, onTaken: () => {} });
  const over = new AbortController();
  const loop = lease.run(over.signal);
  await sleep(5);
  server.isRefusing = true;
  await sleep(40);
  assert.equal(lease.epoch, null);
  server.isRefusing = false;
  await sleep(40);
  assert.equal(lease.epoch, 2);
  over.abort();
  await loop;
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
  await sleep(50);
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
  await sleep(60);
  assert.equal(looks, 2);
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
