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

function start(t: TestContext, heartbeatMs = 60_000) {
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

async function until(condition: () => boolean, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `did not come true: ${condition.toString()}`);
    await sleep(2);
  }
}

test('nothing is sent before the controller has answered with a set; then everything is', async (t) => {
  const { queue, sent } = start(t, 10);
  queue.changed(instance('a', 'ready'));
  await sleep(30);
  assert.deepEqual(sent, []);
  queue.sendFull();
  await until(() => sent.length > 0);
  assert.deepEqual(shown(sent.slice(0, 1)), [[true, 'a ready', 'all ready']]);
});

test('changes of one blink travel together, within a few milliseconds', async (t) => {
  const { queue, sent } = start(t);
  queue.sendFull();
  await until(() => sent.length === 1);
  queue.changed(instance('a', 'ready'));
  queue.changed(instance('b', 'crashed'));
  await until(() => sent.length === 2);
  assert.deepEqual(shown(sent.slice(1)), [[false, 'a ready', 'b crashed']]);
});

test('"starting" waits a little and is never told when readiness comes first', async (t) => {
  const { queue, sent } = start(t, 60_000);
  queue.sendFull();
  await until(() => sent.length === 1);
  queue.changed(instance('a', 'starting'));
  queue.changed(instance('a', 'ready'));
  await until(() => sent.length === 2);
  queue.changed(instance('b', 'starting'));
  assert.equal(sent.length, 2);
  await until(() => sent.length === 3);
  assert.deepEqual(shown(sent.slice(1)), [
    [false, 'a ready'],
    [false, 'b starting'],
  ]);
});

test('a report that fails is sent again, with what is newer in its place', async (t) => {
  const { queue, sent, control } = start(t);
  queue.sendFull();
  await until(() => sent.length === 1);
  control.fails = 2;
  queue.changed(instance('a', 'ready'));
  queue.changed(instance('b', 'ready'));
  await until(() => control.fails < 2);
  queue.changed(instance('a', 'crashed'));
  await until(() => sent.length === 2);
  assert.deepEqual(shown(sent.slice(1)), [[false, 'a crashed', 'b ready']]);
});

test('a quiet host sends its heartbeat', async (t) => {
  const { queue, sent } = start(t, 20);
  queue.sendFull();
  await until(() => sent.length >= 3);
  assert.deepEqual(shown(sent.slice(1, 2)), [[false]]);
});
