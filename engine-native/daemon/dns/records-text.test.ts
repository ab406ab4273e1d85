import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DnsNetwork, recordsText } from './records-text.ts';

const id = 'c0ffee'.padEnd(64, '0');
const network = (more: Partial<DnsNetwork>): DnsNetwork => ({
  networkId: 'n',
  name: 'back',
  bridge: 'b1-a',
  gateway: '10.201.0.1',
  internal: false,
  subnets: ['10.201.0.0/24'],
  endpoints: [],
  ...more,
});

test('networks, their containers, all their names and the servers they were given', () => {
  const networks = [
    network({
      gateway6: 'fd00::1',
      subnets: ['10.201.0.0/24', 'fd00::/64'],
      endpoints: [{ containerId: id, names: ['web', 'c0ffee000000'], addresses: ['10.201.0.2', 'fd00::2'] }],
    }),
    network({ name: 'in', bridge: 'b1-b', internal: true }),
  ];
  assert.equal(
    recordsText(networks, () => ['10.9.9.9', '10.9.9.8']),
    `berth-dns 1
network b1-a open 10.201.0.1,fd00::1 10.201.0.0/24,fd00::/64
host c0ffee0000000000 10.201.0.2,fd00::2 web.back,web,c0ffee000000,c0ffee000000.back 10.9.9.9,10.9.9.8
network b1-b internal 10.201.0.1 10.201.0.0/24
`,
  );
});

test('a name that would break out of its line is left out', () => {
  const names = ['evil\nnetwork x open 10.0.0.1 0.0.0.0/0', 'a b', 'a,b', '', '-x', 'ok'];
  const text = recordsText(
    [network({ endpoints: [{ containerId: id, names, addresses: ['10.201.0.2'] }] })],
    () => [],
  );
  assert.equal(text.split('\n')[2], 'host c0ffee0000000000 10.201.0.2 ok.back,ok');
});
