// Tests of reading the host's routes and name servers, and of the /etc files made from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr } from './cidr.ts';
import { hostsText, parseExtraHosts, resolvConfText } from './etc-files.ts';
import { parseResolvConf, parseRoutes } from './host-network.ts';

test('routes are read from little-endian hex', () => {
  const routes = parseRoutes(
    'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n' +
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n' +
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n',
  );
  assert.deepEqual(routes.map(formatCidr), ['0.0.0.0/0', '192.0.2.0/24']);
});

test('loopback name servers are left out, search and options stay', () => {
  const resolver = parseResolvConf(
    'nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n# nameserver 1.2.3.4\n',
  );
  assert.deepEqual(resolver, {
    servers: ['10.0.0.2'],
    search: ['a.example', 'b.example'],
    options: ['ndots:2'],
  });
  assert.equal(
    resolvConfText(resolver),
    'nameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n',
  );
});

test('hosts names the container itself last and extra hosts before it', () => {
  const extra = parseExtraHosts(['db:10.0.0.9', 'host.internal:host-gateway'], '10.1.0.1');
  assert.equal(
    hostsText(['web'], ['10.1.0.5'], extra),
    '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.0.0.9\tdb\n10.1.0.1\thost.internal\n10.1.0.5\tweb\n',
  );
  assert.throws(() => parseExtraHosts(['db'], undefined), /malformed/);
  assert.throws(() => parseExtraHosts(['db:1.2.3.4\n6.6.6.6 evil'], undefined), /malformed/);
});
