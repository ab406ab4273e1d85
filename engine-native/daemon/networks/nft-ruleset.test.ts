// The whole ruleset text: what it says is what the kernel does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from './network.ts';
import { nftRuleset, portEntry } from './nft-ruleset.ts';

const network = (bridge: string, subnet: string, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: bridge,
  name: bridge,
  created: '',
  bridge,
  subnet,
  gateway: subnet.replace(/0\/.*/, '1'),
  internal: false,
  labels: {},
  options: {},
  ...more,
});

/** The rules of one chain, or what one set holds. */
function block(text: string, name: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  const start = lines.findIndex((line) => new RegExp(`^(chain|set|map) ${name} \\{$`).test(line));
  assert.ok(start >= 0, `no ${name} in\n${text}`);
  return lines.slice(start + 1, lines.indexOf('}', start));
}

test('an engine without networks has rules that lead nowhere and still load', () => {
  const text = nftRuleset('b1', [], '10.201.0.0/16');
  assert.ok(text.startsWith('table inet berth_b1 {}\ndelete table inet berth_b1\ntable inet berth_b1 {\n'));
  assert.deepEqual(block(text, 'bridges'), ['type ifname']);
  assert.deepEqual(block(text, 'forward'), [
    'type filter hook forward priority filter; policy accept;',
    'ct state established,related accept',
  ]);
  assert.deepEqual(block(text, 'prerouting'), [
    'type filter hook prerouting priority raw; policy accept;',
    'iifname != "lo" ip daddr 127.0.0.0/8 drop',
  ]);
});

test('plain, isolated, apart and internal networks have rules of their own, which their bridge leads to', () => {
  const text = nftRuleset(
    'b1',
    [
      network('b1-a', '10.201.0.0/20'),
      network('b1-b', '10.201.16.0/24', { labels: { 'berth.egress': 'isolated' } }),
      network('b1-c', '10.201.17.0/24', { options: { 'com.docker.network.bridge.enable_icc': 'false' } }),
      network('b1-d', '10.201.18.0/24', { internal: true }),
    ],
    '10.201.0.0/16',
  );
  assert.deepEqual(block(text, 'from_b1-a'), ['ip saddr != 10.201.0.0/20 drop', 'meta nfproto ipv6 drop']);
  assert.deepEqual(block(text, 'out_b1-a'), [
    'oifname "b1-a" ct status dnat accept',
    'oifname "b1-a" accept',
    'oifname @bridges ct status dnat accept',
    'oifname @bridges drop',
  ]);
  assert.deepEqual(block(text, 'in_b1-a'), ['ct status dnat accept', 'drop']);
  assert.deepEqual(block(text, 'host_b1-b'), [
    'ip daddr 10.201.16.1 meta l4proto { tcp, udp } th dport 53 accept',
    'drop',
  ]);
  assert.deepEqual(block(text, 'out_b1-b'), [
    'oifname "b1-b" ct status dnat accept',
    'oifname "b1-b" accept',
    'oifname @bridges drop',
    'meta nfproto ipv6 drop',
    'ip daddr { 127.0.0.0/8, 169.254.0.0/16, 10.201.0.0-10.239.255.255 } drop',
  ]);
  assert.equal(block(text, 'out_b1-c')[1], 'oifname "b1-c" drop');
  assert.deepEqual(block(text, 'out_b1-d').at(-1), 'drop');
  assert.deepEqual(block(text, 'in_b1-d'), ['drop']);
  assert.deepEqual(block(text, 'host_b1-d'), ['ip daddr 10.201.18.1 accept', 'drop']);
  assert.deepEqual(
    block(text, 'nat4').at(-1),
    'elements = { 10.201.0.0/20, 10.201.16.0/24, 10.201.17.0/24 }',
  );
  assert.equal(
    block(text, 'input').at(-1),
    'iifname vmap { "b1-b" : jump host_b1-b, "b1-d" : jump host_b1-d }',
  );
});

test('a network with IPv6 guards its sources there too, and takes no router advertisements', () => {
  const text = nftRuleset(
    'b1',
    [network('b1-a', '10.201.0.0/24', { subnet6: 'fd00:1::/64', gateway6: 'fd00:1::1' })],
    '10.201.0.0/16',
  );
  assert.deepEqual(block(text, 'from_b1-a'), [
    'ip saddr != 10.201.0.0/24 drop',
    'ip6 saddr != { ::, fe80::/10, fd00:1::/64 } drop',
    'icmpv6 type { nd-router-advert, nd-redirect } drop',
  ]);
  assert.deepEqual(block(text, 'nat6').at(-1), 'elements = { fd00:1::/64 }');
});

test('published ports lie in the map of their family and kind of address', () => {
  const published = [
    { proto: 'tcp' as const, hostIp: '0.0.0.0', hostPort: 8080, containerPort: 80 },
    { proto: 'udp' as const, hostIp: '127.0.0.1', hostPort: 53, containerPort: 5353 },
  ].map((port) => portEntry(port, '10.201.0.5'));
  const six = portEntry({ proto: 'tcp', hostIp: '::', hostPort: 8080, containerPort: 80 }, 'fd00::5');
  const text = nftRuleset('b1', [], '10.201.0.0/16', [...published, six]);
  assert.deepEqual(block(text, 'any4').at(-1), 'elements = { tcp . 8080 : 10.201.0.5 . 80 }');
  assert.deepEqual(block(text, 'one4').at(-1), 'elements = { 127.0.0.1 . udp . 53 : 10.201.0.5 . 5353 }');
  assert.deepEqual(block(text, 'any6').at(-1), 'elements = { tcp . 8080 : fd00::5 . 80 }');
});

test('a pool outside the common range is closed to isolated networks as well', () => {
  const isolated = network('b1-a', '172.20.0.0/24', { options: { 'berth.egress': 'isolated' } });
  assert.match(nftRuleset('b1', [isolated], '172.20.0.0/16'), /10\.239\.255\.255, 172\.20\.0\.0\/16 \} drop/);
});
