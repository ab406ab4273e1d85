// Proves which instance a host leads to, and when an instance has left.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Route, RouteTarget } from '@berth/contract/route.ts';
import { chooseTarget } from './choose-target.ts';
import { hostnameOf, RouteTable, type Target } from './table.ts';

function target(instance: string, port = 1): RouteTarget {
  return { instance, address: '10.0.0.1', port };
}

function route(host: string, targets: RouteTarget[]): Route {
  return { host, app: 'shop', release: 1, state: 'live', targets };
}

function newTable() {
  const events: string[] = [];
  const table = new RouteTable({
    targetLeft: (left) => events.push(`left ${left.instance}`),
    targetDrained: (drained) => events.push(`drained ${drained.instance}`),
    changed: () => events.push('changed'),
  });
  return { table, events };
}

function targetsOf(table: RouteTable, host: string): Target[] {
  return table.find(host)?.targets ?? [];
}

describe('the route table', () => {
  it('prefers an exact host, then the nearest wildcard', () => {
    const { table } = newTable();
    table.apply({
      version: 1,
      full: true,
      routes: [route('a.b.test', []), route('*.b.test', []), route('*.test', [])],
    });
    assert.equal(table.find('A.B.test:80')?.host, 'a.b.test');
    assert.equal(table.find('x.b.test')?.host, '*.b.test');
    assert.equal(table.find('y.x.b.test')?.host, '*.b.test');
    assert.equal(table.find('b.test')?.host, '*.test');
    assert.equal(table.find('test'), undefined);
  });

  it('keeps the counts of an instance that stays, over updates and hosts', () => {
    const { table, events } = newTable();
    table.apply({
      version: 1,
      full: true,
      routes: [route('a', [target('one')]), route('b', [target('one')])],
    });
    const [one] = targetsOf(table, 'a');
    assert.ok(one);
    assert.equal(targetsOf(table, 'b')[0], one);
    one.inFlight = 3;
    table.apply({ version: 2, full: true, routes: [route('a', [target('two'), target('one')])] });
    assert.equal(targetsOf(table, 'a')[1], one);
    assert.equal(one.references, 1);
    assert.deepEqual(events, ['changed', 'changed']);
  });

  it('tells when an instance left and when its last request ended', () => {
    const { table, events } = newTable();
    table.apply({ version: 1, full: true, routes: [route('a', [target('one')])] });
    const [one] = targetsOf(table, 'a');
    assert.ok(one);
    one.inFlight = 2;
    table.apply({ version: 2, set: [route('a', [target('two')])], remove: [] });
    assert.deepEqual(table.draining(), [{ instance: 'one', inFlight: 2 }]);
    table.release(one);
    table.release(one);
    assert.deepEqual(table.draining(), []);
    assert.deepEqual(events, ['changed', 'left one', 'changed', 'drained one']);
  });

  it('forgets a removed host', () => {
    const { table } = newTable();
    table.apply({ version: 1, full: true, routes: [route('a', [target('one')])] });
    table.apply({ version: 2, set: [], remove: ['A'] });
    assert.equal(table.find('a'), undefined);
    assert.equal(table.hostCount, 0);
    assert.deepEqual(table.routes(), []);
  });
});

describe('a Host value', () => {
  it('is a lower case name without port and dot', () => {
    const values = ['Shop.Test', 'shop.test:80', 'shop.test.', 'shop.test.:1'];
    for (const value of values) assert.equal(hostnameOf(value), 'shop.test');
    assert.equal(hostnameOf('[::1]:80'), '[::1]:80');
  });
});

describe('the choice of a target', () => {
  const make = (instance: string, inFlight: number, ejectedUntil = 0): Target => ({
    ...target(instance),
    inFlight,
    ejectedUntil,
    references: 1,
  });

  it('takes the less busy of two', () => {
    const targets = [make('busy', 5), make('idle', 1)];
    for (let i = 0; i < 20; i++) assert.equal(chooseTarget(targets, [], 0)?.instance, 'idle');
  });

  it('avoids ejected ones unless nothing else is left', () => {
    const targets = [make('sick', 0, 100), make('well', 9)];
    assert.equal(chooseTarget(targets, [], 50)?.instance, 'well');
    assert.equal(chooseTarget(targets, [targets[1] as Target], 50)?.instance, 'sick');
    assert.equal(chooseTarget([make('sick', 0, 100)], [], 50)?.instance, 'sick');
  });

  it('never repeats a tried one', () => {
    const targets = [make('a', 0), make('b', 0)];
    assert.equal(chooseTarget(targets, targets, 0), undefined);
    assert.equal(chooseTarget([], [], 0), undefined);
  });

  it('draws every pair, two different ones', () => {
    const targets = [make('a', 1), make('b', 2), make('c', 3)];
    const drawn = new Set<string | undefined>();
    for (let i = 0; i < 500; i++) drawn.add(chooseTarget(targets, [], 0)?.instance);
    assert.deepEqual([...drawn].sort(), ['a', 'b']);
  });
});
