// What reaches the controller and when: at once, together, again after a failure, and a heartbeat when there is nothing.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservedInstance, ObservedReport } from '@berth/contract/instance.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { unseenInstance } from './pod-state.ts';
import { ReportQueue } from './report-queue.ts';

type Sent = Omit<ObservedReport, 'session'>;

const instance = (id: string, state: ObservedInstance['state']): ObservedInstance => ({
  ...unseenInstance(id),
  state,
});

function start(t: TestContext, heartbeatMs = 1_000) {
  const sent: Sent[] = [];
  const control = { fails: 0 };
  const over = new AbortController();
  const queue = new ReportQueue({
    send: async (report) => {
      if (control.fails-- > 0) throw new Error('away');
      sent.push(report);
    },
    everything: () => [instance('all', 'ready')],
    log: createLogger('test', 'silent'),
    signal: over.signal,
    heartbeatMs,
  });
  const loop = queue.run();
  t.after(async () => {
    over.abort();
    await loop;
  });
  return { queue, sent, control };
}

const shown = (sent: Sent[]) =>
  sent.map(({ full, instances }) => [full, ...instances.map(({ id, state }) => `${id} ${state}`)]);

test('nothing is sent before the controller has answered with a set; then everything is', async (t) => {
  const { queue, sent } = start(t, 10);
  queue.changed(instance('a', 'ready'));
  await sleep(30);
  assert.deepEqual(sent, []);
  queue.sendFull();
  await sleep(8);
  assert.deepEqual(shown(sent), [[true, 'a ready', 'all ready']]);
});

test('changes of one blink travel together, within a few milliseconds', async (t) => {
  const { queue, sent } = start(t);
  queue.sendFull();
  await sleep(20);
  queue.changed(instance('a', 'ready'));
  queue.changed(instance('b', 'crashed'));
  await sleep(15);
  assert.deepEqual(shown(sent.slice(1)), [[false, 'a ready', 'b crashed']]);
});

test('"starting" waits a little and is never told when readiness comes first', async (t) => {
  const { queue, sent } = start(t);
  queue.sendFull();
  await sleep(20);
  queue.changed(instance('a', 'starting'));
  await sleep(30);
  queue.changed(instance('a', 'ready'));
  await sleep(15);
  queue.changed(instance('b', 'starting'));
  await sleep(30);
  assert.deepEqual(shown(sent.slice(1)), [[false, 'a ready']]);
  await sleep(180);
  assert.deepEqual(shown(sent.slice(2)), [[false, 'b starting']]);
});

test('a report that fails is sent again, with what is newer in its place', async (t) => {
  const { queue, sent, control } = start(t);
  queue.sendFull();
  await sleep(20);
  control.fails = 2;
  queue.changed(instance('a', 'ready'));
  queue.changed(instance('b', 'ready'));
  await sleep(15);
  queue.changed(instance('a', 'crashed'));
  await sleep(400);
  assert.deepEqual(shown(sent.slice(1)), [[false, 'a crashed', 'b ready']]);
});

test('a quiet host sends its heartbeat', async (t) => {
  const { queue, sent } = start(t, 20);
  queue.sendFull();
  await sleep(90);
  assert.ok(sent.length >= 3);
  assert.deepEqual(shown(sent.slice(1, 2)), [[false]]);
});
