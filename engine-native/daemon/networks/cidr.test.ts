// Tests of IPv4 arithmetic and of the address pool.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool, macOf } from './address-pool.ts';
import { formatCidr, formatIp, freeBlock, overlaps, parseCidr, parseIp } from './cidr.ts';

test('addresses survive the way to a number and back', () => {
  for (const ip of ['0.0.0.0', '10.201.0.1', '192.168.255.255', '255.255.255.255'])
    assert.equal(formatIp(parseIp(ip)), ip);
  assert.equal(formatCidr(parseCidr('10.201.7.9/20')), '10.201.0.0/20');
  assert.throws(() => parseCidr('10.0.0.0/33'), /invalid CIDR address/);
  assert.throws(() => parseIp('10.0.0'), /not an IPv4 address/);
});

test('free blocks touch none that is taken', () => {
  const pool = parseCidr('10.201.0.0/16');
  const taken = [parseCidr('10.201.0.0/20'), parseCidr('10.201.17.0/24')];
  const first = freeBlock(pool, 24, taken);
  assert.equal(first && formatCidr(first), '10.201.16.0/24');
  const second = freeBlock(pool, 24, [...taken, parseCidr('10.201.16.0/24')]);
  assert.equal(second && formatCidr(second), '10.201.18.0/24');
  assert.equal(freeBlock(parseCidr('10.0.0.0/24'), 24, [parseCidr('10.0.0.128/25')]), undefined);
  assert.equal(overlaps(parseCidr('10.0.0.0/8'), parseCidr('10.5.0.0/16')), true);
});

test('an address comes back as late as possible, and a full network says so', () => {
  const pool = new AddressPool(parseCidr('10.1.0.0/29'));
  const taken = [pool.take(), pool.take(), pool.take(), pool.take(), pool.take()];
  assert.deepEqual(taken, ['10.1.0.2', '10.1.0.3', '10.1.0.4', '10.1.0.5', '10.1.0.6']);
  assert.throws(() => pool.take(), /no free address/);
  pool.release('10.1.0.3');
  pool.release('10.1.0.5');
  assert.equal(pool.take(), '10.1.0.3');
  pool.release('10.1.0.3');
  assert.equal(pool.take(), '10.1.0.5');
});

test('an adopted address is not given out again', () => {
  const pool = new AddressPool(parseCidr('10.1.0.0/24'));
  pool.adopt('10.1.0.2');
  assert.equal(pool.take(), '10.1.0.3');
  assert.equal(macOf('10.1.0.255'), '02:42:0a:01:00:ff');
});

test('an address that is asked for is given once, and never the gateway or one outside', () => {
  const pool = new AddressPool(parseCidr('10.1.0.0/24'), {
    range: parseCidr('10.1.0.128/30'),
    gateway: '10.1.0.128',
    reserved: ['10.1.0.129'],
  });
  assert.equal(pool.takeExactly('10.1.0.7'), '10.1.0.7');
  assert.throws(() => pool.takeExactly('10.1.0.7'), /already in use/);
  assert.throws(() => pool.takeExactly('10.1.0.128'), /already in use/);
  assert.throws(() => pool.takeExactly('10.1.0.255'), /no configured subnet/);
  assert.deepEqual([pool.take(), pool.take()], ['10.1.0.130', '10.1.0.131']);
  assert.throws(() => pool.take(), /no free address/);
});
