// Networks as the docker CLI sees them: made, listed, joined and left, with one interface each, and apart from each other.
// The engine runs in a network of its own (network-world.ts).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from './engine-harness.ts';
import { hostAddress, NetworkWorld } from './network-world.ts';

let world: NetworkWorld;

before(async () => {
  world = await NetworkWorld.open('bdnw');
});

after(async () => {
  await world.close();
});

const docker = (...args: string[]) => world.docker(...args);
const refused = async (...args: string[]) => {
  const { code, stderr } = await world.engine.docker(args);
  assert.notEqual(code, 0, `docker ${args.join(' ')} should fail`);
  return stderr.trim();
};
const addressOn = (name: string, network: string) =>
  world.inspect(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

/** A command of the host's in the network namespace of a container. */
async function inside(name: string, ...command: string[]): Promise<string> {
  const pid = await world.inspect(name, '{{.State.Pid}}');
  return execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command]).toString();
}

const sleeper = (name: string, ...flags: string[]) =>
  docker('run', '-d', '--name', name, ...flags, 'guest', '/guest', 'sleep', '600000');

async function removeAll(networks: string[]): Promise<void> {
  const all = await docker('ps', '-aq');
  if (all !== '') await docker('rm', '-f', ...all.split('\n'));
  for (const network of networks) await docker('network', 'rm', network);
}

describe('docker network', () => {
  test('create takes subnet, gateway, range, labels and options, and inspect shows them', async () => {
    await docker(
      ...['network', 'create', '--subnet', '172.29.0.0/16', '--gateway', '172.29.9.1'],
      ...[
        '--ip-range',
        '172.29.5.0/24',
        '--aux-address',
        'router=172.29.5.0',
        '--label',
        'a=b',
        '--attachable',
      ],
      ...[
        '-o',
        'com.docker.network.bridge.enable_icc=false',
        '-o',
        'com.docker.network.driver.mtu=1280',
        'nw-full',
      ],
    );
    const [shown] = JSON.parse(await docker('network', 'inspect', 'nw-full')) as [Record<string, unknown>];
    assert.deepEqual(shown['IPAM'], {
      Driver: 'default',
      Options: null,
      Config: [
        {
          Subnet: '172.29.0.0/16',
          IPRange: '172.29.5.0/24',
          Gateway: '172.29.9.1',
          AuxiliaryAddresses: { router: '172.29.5.0' },
        },
      ],
    });
    assert.deepEqual(shown['Labels'], { a: 'b' });
    assert.equal(shown['Attachable'], true);
    await sleeper('member', '--network', 'nw-full');
    assert.equal(await addressOn('member', 'nw-full'), '172.29.5.1');
    assert.match(await inside('member', 'ip', 'link', 'show', 'eth0'), /mtu 1280/);
    assert.match(await inside('member', 'ip', 'route'), /default via 172\.29\.9\.1/);
    const members = await docker(
      'network',
      'inspect',
      '-f',
      '{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}',
      'nw-full',
    );
    assert.equal(members, 'member 172.29.5.1/16');
    assert.match(await refused('network', 'rm', 'nw-full'), /has active endpoints \(name:"member"/);
    await removeAll(['nw-full']);
  });

  test('ls filters by name, driver, label, type and use; prune takes what nobody wants', async () => {
    await docker('network', 'create', '--label', 'team=x', 'nw-one');
    await docker('network', 'create', 'nw-two');
    await sleeper('member', '--network', 'nw-two');
    const names = async (...flags: string[]) =>
      (await docker('network', 'ls', '--format', '{{.Name}}', ...flags)).split('\n').sort();
    assert.deepEqual(await names(), ['bridge', 'host', 'none', 'nw-one', 'nw-two']);
    assert.deepEqual(await names('--filter', 'type=builtin'), ['bridge', 'host', 'none']);
    assert.deepEqual(await names('--filter', 'driver=null'), ['none']);
    assert.deepEqual(await names('--filter', 'label=team=x'), ['nw-one']);
    assert.deepEqual(await names('--filter', 'dangling=true'), ['nw-one']);
    assert.deepEqual(await names('--filter', 'name=^nw-t'), ['nw-two']);
    await docker('stop', '-t', '0', 'member');
    assert.match(await docker('network', 'prune', '-f'), /nw-one/);
    assert.deepEqual(
      await names('--filter', 'type=custom'),
      ['nw-two'],
      'a stopped container keeps its network',
    );
    await removeAll(['nw-two']);
  });

  test('what cannot be done is refused with a sentence', async () => {
    assert.match(await refused('network', 'create', '-d', 'overlay', 'x1'), /"overlay" is not supported/);
    assert.match(await refused('network', 'create', '-d', 'macvlan', 'x1'), /"macvlan" is not supported/);
    assert.match(await refused('network', 'create', '-d', 'host', 'x1'), /only one instance of "host"/);
    assert.match(await refused('network', 'create', 'bridge'), /predefined bridge network/);
    assert.match(await refused('network', 'rm', 'bridge'), /pre-defined network/);
    assert.match(await refused('network', 'rm', 'nowhere'), /network nowhere not found/);
    assert.match(await refused('network', 'create', '--subnet', '192.0.2.0/24', 'x1'), /Pool overlaps/);
    assert.match(
      await refused('network', 'create', '--subnet', '172.29.0.0/24', '--gateway', '172.30.0.1', 'x1'),
      /no matching subnet for gateway/,
    );
    assert.match(await refused('run', '--rm', '--network', 'nowhere', 'guest'), /network nowhere not found/);
    assert.match(await refused('run', '--rm', '--ip', '10.1.2.3', 'guest'), /user defined networks only/);
    assert.match(
      await refused('run', '--rm', '--network', 'container:x', '-p', '80:80', 'guest'),
      /conflicting options/,
    );
    await docker('network', 'create', 'nw-one');
    assert.match(await refused('network', 'create', 'nw-one'), /already exists/);
    assert.match(
      await refused('run', '--rm', '--network', 'nw-one', '--link-local-ip', '169.254.3.3', 'guest'),
      /link-local addresses are not supported/,
    );
    await removeAll(['nw-one']);
  });
});

describe('a container on several networks', () => {
  test('has an interface and an address on each, and its default route through the first by priority and name', async () => {
    for (const name of ['nw-b', 'nw-a', 'nw-c']) await docker('network', 'create', name);
    await sleeper('many', '--network', 'nw-b', '--network', 'nw-a');
    const gateway = (name: string) =>
      docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', name);
    assert.match(
      await inside('many', 'ip', 'address', 'show', 'eth0'),
      new RegExp(await addressOn('many', 'nw-b')),
    );
    assert.match(
      await inside('many', 'ip', 'address', 'show', 'eth1'),
      new RegExp(await addressOn('many', 'nw-a')),
    );
    assert.match(
      await inside('many', 'ip', 'route'),
      new RegExp(`default via ${await gateway('nw-a')} dev eth1`),
    );
    await docker('network', 'connect', '--gw-priority', '5', 'nw-c', 'many');
    assert.match(
      await inside('many', 'ip', 'route'),
      new RegExp(`default via ${await gateway('nw-c')} dev eth2`),
    );
    await docker('network', 'disconnect', 'nw-c', 'many');
    await docker('network', 'disconnect', 'nw-a', 'many');
    assert.match(
      await inside('many', 'ip', 'route'),
      new RegExp(`default via ${await gateway('nw-b')} dev eth0`),
    );
    assert.doesNotMatch(await inside('many', 'ip', 'link'), /eth1|eth2/);
    await removeAll(['nw-a', 'nw-b', 'nw-c']);
  });

  test('is joined to one more while it runs and taken off again, with its names, hosts and ports', async () => {
    await docker('network', 'create', 'nw-a');
    await docker('network', 'create', 'nw-b');
    await world.server('web', ['--network', 'nw-b', '-p', '8080:80'], 'listen', '80', 'web');
    await docker('network', 'connect', '--alias', 'shop', 'nw-a', 'web');
    const address = await addressOn('web', 'nw-a');
    assert.equal(await world.getFrom('nw-a', address, 80), 'got web');
    const names = await world.engine.docker([
      'run',
      '--rm',
      '--network',
      'nw-a',
      'guest',
      '/net',
      'resolve',
      'shop',
      '1',
    ]);
    assert.equal(names.stdout.trim(), `shop: code 0 ${address}`);
    const hosts = async () =>
      (await world.engine.docker(['exec', 'web', '/guest', 'cat', '/etc/hosts'])).stdout;
    assert.ok((await hosts()).includes(`${address}\t`));
    assert.equal(
      world.get('outside', hostAddress, 8080),
      'got web',
      'the port follows the new default route',
    );
    assert.match(await refused('network', 'connect', 'nw-a', 'web'), /already exists in network nw-a/);
    await docker('network', 'disconnect', 'nw-a', 'web');
    assert.match(await world.getFrom('nw-a', address, 80), /^no connection/);
    assert.ok(!(await hosts()).includes(`${address}\t`));
    assert.equal(world.get('outside', hostAddress, 8080), 'got web', 'and back');
    assert.match(await refused('network', 'disconnect', 'nw-a', 'web'), /is not connected to network nw-a/);
    await removeAll(['nw-a', 'nw-b']);
  });

  test('keeps what it was given while it does not run, also through a restart of the engine', async () => {
    await docker('network', 'create', '--subnet', '172.29.0.0/24', 'nw-a');
    await docker('network', 'create', 'nw-b');
    await docker('create', '--name', 'later', '--network', 'nw-b', 'guest', '/guest', 'sleep', '600000');
    await docker('network', 'connect', '--ip', '172.29.0.50', 'nw-a', 'later');
    await docker('start', 'later');
    assert.equal(await addressOn('later', 'nw-a'), '172.29.0.50');
    const before = await inside('later', 'ip', 'address');
    await world.engine.stopDaemon('SIGKILL');
    await world.engine.startDaemon();
    assert.equal(await addressOn('later', 'nw-a'), '172.29.0.50');
    assert.equal(await inside('later', 'ip', 'address'), before);
    assert.match(
      await refused('run', '--rm', '--network', 'nw-a', '--ip', '172.29.0.50', 'guest'),
      /[Aa]ddress already in use/,
    );
    await docker('network', 'disconnect', 'nw-b', 'later');
    await docker('restart', '-t', '0', 'later');
    assert.equal(await world.inspect('later', '{{len .NetworkSettings.Networks}}'), '1');
    assert.equal(await addressOn('later', 'nw-a'), '172.29.0.50');
    await removeAll(['nw-a', 'nw-b']);
  });
});

describe('a container', () => {
  test('has the addresses, names and servers that were asked for', async () => {
    await docker('network', 'create', '--subnet', '172.29.0.0/24', '--ipv6', '--subnet', 'fd12::/64', 'nw-a');
    await sleeper(
      'asked',
      ...[
        '--network',
        'nw-a',
        '--ip',
        '172.29.0.9',
        '--ip6',
        'fd12::9',
        '--mac-address',
        '02:42:ac:1d:00:99',
      ],
      ...['--network-alias', 'other', '--add-host', 'db:10.9.9.9', '--add-host', 'me:host-gateway'],
    );
    const shown = await inside('asked', 'ip', 'address', 'show', 'eth0');
    for (const text of ['172.29.0.9/24', 'fd12::9/64', '02:42:ac:1d:00:99'])
      assert.ok(shown.includes(text), text);
    const { stdout } = await world.engine.docker(['exec', 'asked', '/guest', 'cat', '/etc/hosts']);
    for (const text of ['10.9.9.9\tdb', '172.29.0.1\tme', '172.29.0.9\t', 'fd12::9\t'])
      assert.ok(stdout.includes(text), text);
    const dns = await world.inspect('asked', '{{json (index .NetworkSettings.Networks "nw-a").DNSNames}}');
    assert.match(dns, /"asked".*"other"/);
    await removeAll(['nw-a']);
  });

  test('without a network has lo only, with the network of the host has its own nothing, and shares one that is joined', async () => {
    await sleeper('none', '--network', 'none');
    assert.deepEqual((await inside('none', 'ip', '-o', 'link')).match(/^\d+: (\w+)/gm), ['1: lo']);
    await sleeper('host', '--network', 'host');
    assert.equal(
      await inside('host', 'ip', '-o', 'link', 'show', 'up0'),
      world.run('host', 'ip', '-o', 'link', 'show', 'up0'),
    );
    await world.server('web', [], 'listen', '80', 'web');
    assert.equal(await world.getFrom('container:web', '127.0.0.1', 80), 'got web');
    assert.match(await refused('network', 'connect', 'bridge', 'host'), /host network/);
    await removeAll([]);
  });

  test('finds the container it is linked to, and does not start when that one does not run', async () => {
    await world.server('db', [], 'listen', '80', 'db');
    const address = await addressOn('db', 'bridge');
    await sleeper('app', '--link', 'db:store');
    const { stdout } = await world.engine.docker(['exec', 'app', '/guest', 'cat', '/etc/hosts']);
    assert.match(stdout, new RegExp(`${address}\tstore .*db`));
    await docker('stop', '-t', '0', 'db');
    assert.match(
      await refused('run', '--rm', '--link', 'db', 'guest'),
      /Cannot link to a non running container/,
    );
    await removeAll([]);
  });
});

describe('networks are apart', () => {
  test('an internal one has no way out, nobody comes in, and its members reach each other', async () => {
    await docker('network', 'create', '--internal', 'nw-in');
    await docker('network', 'create', 'nw-out');
    await world.server('inner', ['--network', 'nw-in', '-p', '8080:80'], 'listen', '80', 'inner');
    await world.server('outer', ['--network', 'nw-out', '-p', '8090:80'], 'listen', '80', 'outer');
    const outside = await world.serve('outside', 'listen', '99', 'outside');
    const address = await addressOn('inner', 'nw-in');
    assert.equal(await world.getFrom('nw-in', address, 80), 'got inner');
    assert.equal(await world.getFrom('nw-out', '192.0.2.2', 99), 'got outside');
    assert.match(await world.getFrom('nw-in', '192.0.2.2', 99), /^no connection/);
    assert.match(await world.getFrom('nw-in', hostAddress, 8090), /^no connection/);
    assert.match(await world.getFrom('nw-out', address, 80), /^no connection/);
    assert.match(world.get('outside', address, 80), /^no connection/);
    assert.match(world.get('outside', hostAddress, 8080), /^no connection/, 'no port leads in');
    assert.doesNotMatch(await inside('inner', 'ip', 'route'), /default/);
    // A member that makes itself a route does not get out either.
    await inside(
      'inner',
      'ip',
      'route',
      'add',
      'default',
      'dev',
      'eth0',
      'via',
      address.replace(/\d+$/, '1'),
    );
    const tried = await world.engine.docker(['exec', 'inner', '/net', 'get', '192.0.2.2', '99']);
    assert.match(tried.stdout, /^no connection/);
    outside.kill();
    await removeAll(['nw-in', 'nw-out']);
  });

  test('nobody speaks with addresses that are not of its network, in either family', async () => {
    await docker('network', 'create', '--ipv6', 'nw-six');
    await world.server('web', ['--network', 'nw-six'], 'listen', '80', 'web');
    const rule = 'udp dport 98 counter';
    world.run(
      'outside',
      'nft',
      `table inet seen { chain in { type filter hook input priority 0; ${rule}; }; }`,
    );
    const seen = () => Number(/packets (\d+)/.exec(world.run('outside', 'nft', 'list', 'ruleset'))?.[1]);
    for (const [family, source, target, field] of [
      ['-4', '203.0.113.9', '192.0.2.2', 'Gateway'],
      ['-6', '2001:db8:bad::9', '2001:db8::2', 'IPv6Gateway'],
    ] as const) {
      const gateway = await world.inspect('web', `{{range .NetworkSettings.Networks}}{{.${field}}}{{end}}`);
      const route = ['ip', family, 'route', 'replace', 'default', 'via', gateway, 'dev', 'eth0'];
      const send = () =>
        inside('web', join(world.engine.dir, 'net'), 'udp-get', target, '98').catch(() => {});
      const before = seen();
      await send();
      assert.ok(seen() > before, `${family}: its own address passes`);
      const nodad = family === '-6' ? ['nodad'] : [];
      await inside('web', 'ip', family, 'address', 'add', source, 'dev', 'eth0', ...nodad);
      await inside('web', ...route, 'src', source);
      const passed = seen();
      await send();
      assert.equal(seen(), passed, `${family}: another one does not`);
    }
    await removeAll(['nw-six']);
  });

  test('in IPv6 too: one does not reach the other, both reach the world under the address of the host', async () => {
    await docker('network', 'create', '--ipv6', 'nw-a');
    await docker('network', 'create', '--ipv6', 'nw-b');
    await world.server('web', ['--network', 'nw-a'], 'listen', '80', 'web');
    const outside = await world.serve('outside', 'listen', '97', 'peer');
    const address = await world.inspect(
      'web',
      '{{(index .NetworkSettings.Networks "nw-a").GlobalIPv6Address}}',
    );
    await eventually('IPv6 is up', async () => (await world.getFrom('nw-a', address, 80)) === 'got web');
    assert.match(await world.getFrom('nw-b', address, 80), /^no connection/);
    assert.equal(await world.getFrom('nw-b', '2001:db8::2', 97), 'got 2001:db8::1');
    outside.kill();
    await removeAll(['nw-a', 'nw-b']);
  });
});
