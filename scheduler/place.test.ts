// Where pods go: room first, the same process type apart, and a repeatable choice.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { SchedulerHost } from '@berth/contract/scheduling.ts';
import { Placement } from './place.ts';

const host = (id: string, change: Partial<SchedulerHost> = {}): SchedulerHost => ({
  id,
  name: id,
  state: 'ready',
  memoryMb: 1000,
  reservedMb: 0,
  cpus: 2,
  instances: 0,
  ...change,
});

test('instances of one process type are spread over the hosts', () => {
  const placement = new Placement([host('a'), host('b'), host('c')], [], 90);
  const chosen = [1, 2, 3].map(() => placement.take({ processType: 'web', memoryMb: 100 }));
  assert.deepEqual(chosen.toSorted(), ['a', 'b', 'c']);
});

test('what is given away within a plan counts at once', () => {
  const placement = new Placement([host('a')], [], 90);
  assert.equal(placement.take({ processType: 'web', memoryMb: 500 }), 'a');
  assert.equal(placement.take({ processType: 'web', memoryMb: 500 }), null);
  assert.equal(placement.take({ processType: 'web', memoryMb: 400 }), 'a');
});

test('only ready hosts with room for the platform itself are taken', () => {
  const hosts = [
    host('a', { state: 'suspect' }),
    host('b', { state: 'lost' }),
    host('c', { reservedMb: 850 }),
  ];
  const placement = new Placement(hosts, [], 90);
  assert.equal(placement.take({ processType: 'web', memoryMb: 100 }), null);
  assert.equal(placement.take({ processType: 'web', memoryMb: 50 }), 'c');
});

test('the emptier host is taken', () => {
  const placement = new Placement([host('a', { reservedMb: 300, instances: 3 }), host('b')], [], 90);
  assert.equal(placement.take({ processType: 'web', memoryMb: 100 }), 'b');
});
