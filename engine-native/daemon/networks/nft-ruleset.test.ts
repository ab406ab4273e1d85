// The whole ruleset text: what it says is what the kernel does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from './network.ts';
import { nftRuleset } from './nft-ruleset.ts';

const network = (bridge: string, subnet: string, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: bridge,
  name: bridge,
  created: '',
  bridge,
  subnet,
  gateway: '10.201.99.1',
  internal: false,
  labels: {},
  options: {},
  ...more,
});

test('an engine without networks has an empty table that still loads', () => {
  assert.equal(
    nftRuleset('b1', [], '10.201.0.0/16'),
    `table inet berth_b1 {}
delete table inet berth_b1
table inet berth_b1 {
  set bridges {
    type ifname
  }
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname @bridges oifname @bridges drop
    oifname @bridges ct state new drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
  }
}
`,
  );
});

test('plain, isolated, apart and internal networks get their own rules in one table', () => {
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
  const rules = text.split('\n').map((line) => line.trim());
  const expected = [
    'elements = { "b1-a", "b1-b", "b1-c", "b1-d" }',
    'iifname "b1-a" ip saddr != 10.201.0.0/20 drop',
    'iifname "b1-b" ip daddr 10.201.99.1 meta l4proto { tcp, udp } th dport 53 accept',
    'iifname "b1-b" drop',
    'iifname "b1-a" oifname "b1-a" accept',
    'iifname "b1-b" meta nfproto ipv6 drop',
    'iifname "b1-b" ip daddr { 127.0.0.0/8, 169.254.0.0/16, 10.201.0.0-10.239.255.255 } drop',
    'iifname "b1-c" oifname "b1-c" drop',
    'iifname "b1-d" drop',
    'oifname "b1-d" drop',
    'ip saddr 10.201.0.0/20 oifname != { "b1-a", "lo" } masquerade',
  ];
  for (const rule of expected) assert.ok(rules.includes(rule), `missing: ${rule}\n${text}`);
  assert.ok(!rules.includes('iifname "b1-a" drop'));
  assert.ok(!rules.some((rule) => rule.includes('masquerade') && rule.includes('10.201.18.0')));
  assert.ok(text.indexOf('oifname "b1-a" accept') < text.indexOf('oifname @bridges drop'));
});

test('a pool outside the common range is closed to isolated networks as well', () => {
  const isolated = network('b1-a', '172.20.0.0/24', { options: { 'berth.egress': 'isolated' } });
  assert.match(nftRuleset('b1', [isolated], '172.20.0.0/16'), /10\.239\.255\.255, 172\.20\.0\.0\/16 \} drop/);
});
