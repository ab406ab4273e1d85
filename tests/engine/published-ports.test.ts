// Published ports, from everywhere they can be reached from and from where they must not be. The engine runs in a network of its own.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { eventually } from './engine-harness.ts';
import { hostAddress, hostAddress6, NetworkWorld } from './network-world.ts';

let world: NetworkWorld;

before(async () => {
  world = await NetworkWorld.open('bdpp');
});

after(async () => {
  await world.close();
});

const remove = (...names: string[]) => world.docker('rm', '-f', ...names);
const addressOf = (name: string) =>
  world.inspect(name, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');

describe('a published port', () => {
  test('is reached from the host, from outside, from other networks, from neighbours and from its own container', async () => {
    await world.docker('network', 'create', 'pp-other');
    await world.server('web', ['-p', '8080:80'], 'listen', '80', 'web');
    assert.equal(world.get('host', '127.0.0.1', 8080), 'got web', 'loopback');
    assert.equal(world.get('host', hostAddress, 8080), 'got web', "the host's own address");
    assert.equal(world.get('outside', hostAddress, 8080), 'got web', 'another machine');
    assert.equal(await world.getFrom('bridge', hostAddress, 8080), 'got web', 'a neighbour');
    assert.equal(await world.getFrom('pp-other', hostAddress, 8080), 'got web', 'another network');
    const own = await world.engine.docker(['exec', 'web', '/net', 'get', hostAddress, '8080']);
    assert.equal(own.stdout, 'got web\n', 'itself');
    await remove('web');
    assert.match(world.get('host', '127.0.0.1', 8080), /^no connection/);
    await world.docker('network', 'rm', 'pp-other');
  });

  test('leaves the address of the client as it is, but for neighbours and the host itself', async () => {
    await world.server('web', ['-p', '8080:80'], 'listen', '80', 'peer');
    assert.equal(world.get('outside', hostAddress, 8080), 'got 192.0.2.2');
    await remove('web');
  });

  test('of 127.0.0.1 is for this host alone, also when another machine sends to 127.0.0.1', async () => {
    await world.server('web', ['-p', '127.0.0.1:8081:80'], 'listen', '80', 'web');
    assert.equal(world.get('host', '127.0.0.1', 8081), 'got web');
    assert.match(world.get('host', hostAddress, 8081), /^no connection/);
    assert.match(world.get('outside', hostAddress, 8081), /^no connection/);
    // CVE-2020-8558: the neighbour on the cable routes 127.0.0.1 to us.
    world.run('outside', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
    world.run('outside', 'ip', 'link', 'set', 'lo', 'down');
    world.run('outside', 'ip', 'route', 'add', '127.0.0.1', 'via', hostAddress);
    assert.match(world.get('outside', '127.0.0.1', 8081), /^no connection/);
    world.run('outside', 'ip', 'route', 'del', '127.0.0.1');
    world.run('outside', 'ip', 'link', 'set', 'lo', 'up');
    await remove('web');
  });

  test('does not open the container itself: its address answers nobody beyond the host', async () => {
    await world.docker('network', 'create', 'pp-other');
    await world.server('web', ['-p', '8080:80'], 'listen', '80', 'web');
    const address = await addressOf('web');
    assert.equal(world.get('host', address, 80), 'got web');
    assert.match(world.get('outside', address, 80), /^no connection/);
    assert.match(await world.getFrom('pp-other', address, 80), /^no connection/);
    await remove('web');
    await world.docker('network', 'rm', 'pp-other');
  });

  test('carries datagrams too, and an own protocol is another port', async () => {
    await world.server('dgram', ['-p', '8053:53/udp'], 'udp-listen', '53', 'datagram');
    await world.server('stream', ['-p', '8053:53'], 'listen', '53', 'stream');
    assert.equal(world.get('outside', hostAddress, 8053, 'udp-get'), 'got datagram');
    assert.equal(world.get('host', '127.0.0.1', 8053, 'udp-get'), 'got datagram');
    assert.equal(world.get('outside', hostAddress, 8053), 'got stream');
    await remove('dgram', 'stream');
  });

  test('takes a client that never stops sending from the old container to the new one', async () => {
    await world.server('old', ['-p', '8054:53/udp'], 'udp-listen', '53', 'old');
    const chat = await world.serve('outside', 'udp-chat', hostAddress, '8054');
    const ask = async () => {
      const answer = once(chat.stdout as Readable, 'data', { signal: AbortSignal.timeout(4_000) });
      chat.stdin?.write('?\n');
      return String((await answer)[0]);
    };
    assert.equal(await ask(), 'old');
    await remove('old');
    await world.server('new', ['-p', '8054:53/udp'], 'udp-listen', '53', 'new');
    assert.equal(await ask(), 'new');
    chat.kill();
    await remove('new');
  });

  test('reaches a container without IPv4 help over IPv6, on [::] and through a network of its own', async () => {
    await world.docker('network', 'create', '--ipv6', 'pp-six');
    await world.server('six', ['--network', 'pp-six', '-p', '8086:80'], 'listen', '80', 'peer');
    assert.equal(world.get('outside', hostAddress6, 8086), 'got 2001:db8::2');
    assert.match(world.get('host', hostAddress6, 8086), /^got /);
    assert.match(world.get('host', '::1', 8086), /refused/, 'so that "localhost" goes on to 127.0.0.1');
    assert.match(world.get('host', '127.0.0.1', 8086), /^got /);
    assert.match(await world.docker('port', 'six'), /80\/tcp -> 0\.0\.0\.0:8086\n80\/tcp -> \[::\]:8086/);
    const loopback = await world.engine.docker([
      'run',
      '--rm',
      '--network',
      'pp-six',
      '-p',
      '[::1]:1:1',
      'guest',
    ]);
    assert.match(loopback.stderr, /cannot be published on "::1"/);
    const address = await world.inspect(
      'six',
      '{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}',
    );
    assert.match(address, /^fd[0-9a-f:]+$/);
    assert.match(world.get('outside', address, 80), /^no connection/);
    await remove('six');
    await world.docker('network', 'rm', 'pp-six');
  });
});

describe('ports of the host', () => {
  test('are taken once: by our own containers, and by programs of the host', async () => {
    await world.server('first', ['-p', '8082:80'], 'listen', '80', 'first');
    const second = await world.engine.docker(['run', '-d', '-p', '8082:80', 'guest']);
    assert.equal(second.code, 125);
    assert.match(second.stderr, /Bind for 0\.0\.0\.0:8082 failed: port is already allocated/);
    const server = await world.serve('host', 'listen', '8083', 'host');
    const third = await world.engine.docker(['run', '-d', '--name', 'third', '-p', '8083:80', 'guest']);
    assert.equal(third.code, 125);
    assert.match(third.stderr, /failed to bind host port 0\.0\.0\.0:8083\/tcp: [Aa]ddress (already )?in use/);
    assert.equal(await world.inspect('third', '{{.State.Status}}'), 'created');
    assert.equal(world.get('outside', hostAddress, 8083), 'got host', 'the program keeps its port');
    server.kill();
    assert.throws(() => world.run('host', `${world.engine.dir}/net`, 'listen', '8082', 'x'), /listen/);
    const all = (await world.docker('ps', '-aq')).split('\n');
    await remove(...all);
    await world.server('again', ['-p', '8082:80'], 'listen', '80', 'again');
    assert.equal(world.get('outside', hostAddress, 8082), 'got again', 'a removed container leaves its port');
    await remove('again');
  });

  test('are chosen from the free ones where none is named, and shown by port, ps and inspect', async () => {
    await world.server('some', ['--expose', '81', '-P', '-p', '127.0.0.1::82/udp'], 'listen', '81', 'some');
    const ports = (await world.docker('port', 'some')).split('\n');
    const port = Number(/^81\/tcp -> 0\.0\.0\.0:(\d+)$/.exec(ports[0] ?? '')?.[1]);
    const [low = 0, high = 0] = world
      .run('host', 'sysctl', '-n', 'net.ipv4.ip_local_port_range')
      .split('\t')
      .map(Number);
    assert.ok(port >= low && port <= high, String(port));
    assert.match(ports[1] ?? '', /^82\/udp -> 127\.0\.0\.1:\d+$/);
    assert.equal(world.get('outside', hostAddress, port), 'got some');
    assert.ok((await world.docker('ps', '--format', '{{.Ports}}')).includes(`0.0.0.0:${port}->81/tcp`));
    await world.docker('stop', '-t', '0', 'some');
    assert.equal(await world.inspect('some', '{{json .NetworkSettings.Ports}}'), '{}');
    await remove('some');
  });

  test('in ranges lead to the ports of the container in their order', async () => {
    await world.server('range', ['-p', '9100-9140:9100-9140'], 'listen', '9120', 'range');
    assert.equal(world.get('outside', hostAddress, 9120), 'got range');
    assert.match(await world.docker('ps', '--format', '{{.Ports}}'), /0\.0\.0\.0:9100-9140->9100-9140\/tcp/);
    await remove('range');
    assert.match(world.get('outside', hostAddress, 9120), /^no connection/);
  });
});

test('ports of a container on the network of the host are discarded with a warning', async () => {
  const { stderr, code } = await world.engine.docker([
    ...['run', '--rm', '--network', 'host', '-p', '8087:80', 'guest', '/guest', 'say', 'x'],
  ]);
  assert.equal(code, 0);
  assert.match(stderr, /Published ports are discarded when using host network mode/);
});

describe('published ports stay', () => {
  test('through kill -9 of daemon and helper, with their connections', async () => {
    await world.server('echo', ['-p', '8084:7'], 'echo', '7');
    await world.server('new', ['-p', '8086:80'], 'listen', '80', 'new');
    const chat = await world.serve('outside', 'chat', hostAddress, '8084');
    const say = async (text: string) => {
      const answer = new Promise((done) => chat.stdout?.once('data', (data) => done(String(data))));
      chat.stdin?.write(`${text}\n`);
      assert.equal(await answer, `${text}\n`);
    };
    await say('before');
    process.kill(world.engine.helperPid, 'SIGKILL');
    await world.engine.stopDaemon('SIGKILL');
    await say('without an engine');
    assert.match(world.get('host', '127.0.0.1', 8085), /^no connection/);
    const other = world.get('outside', hostAddress, 8086);
    assert.equal(other, 'got new', 'new connections come through, too');
    await world.engine.startDaemon();
    await say('after');
    assert.match(await world.docker('port', 'echo'), /7\/tcp -> 0\.0\.0\.0:8084/);
    const second = await world.engine.docker(['run', '--rm', '-p', '8084:80', 'guest']);
    assert.match(second.stderr, /port is already allocated/);
    chat.kill();
    await remove(...(await world.docker('ps', '-aq')).split('\n'));
  });

  test('when a firewall flushes every table: they are back within a second, and so is isolation', async () => {
    await world.docker('network', 'create', 'pp-other');
    await world.server('web', ['-p', '8080:80'], 'listen', '80', 'web');
    const address = await addressOf('web');
    for (const flush of [
      ['flush', 'ruleset'],
      ['delete', 'table', 'inet', `berth_${world.engine.name}`],
      ['flush', 'table', 'inet', `berth_${world.engine.name}`],
    ]) {
      world.run('host', 'nft', ...flush);
      await eventually(`healed after ${flush.join(' ')}`, async () => isWhole(), 1_000);
      assert.equal(world.get('outside', hostAddress, 8080), 'got web');
      assert.match(await world.getFrom('pp-other', address, 80), /^no connection/);
    }
    await remove('web');
    await world.docker('network', 'rm', 'pp-other');
  });
});

function isWhole(): boolean {
  const rules = world.run('host', 'nft', 'list', 'ruleset');
  return rules.includes('tcp . 8080 :') && rules.includes('ct status dnat accept');
}
