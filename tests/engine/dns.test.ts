// Names of containers: who resolves whom, what leaves for the world, and that names stay when the daemon does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findProcesses } from '@berth/engine-daemon/runtime/own-processes.ts';
import { plainOnly } from './config.ts';
import { askByUdp } from './dns-client.ts';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bdd1');
  await docker('network', 'create', 'dns-a');
  await docker('network', 'create', 'dns-b');
  await docker('network', 'create', '--internal', 'dns-in');
  await run('web', 'dns-a', '-h', 'webhost');
  await run('secret', 'dns-b');
  await run('db', 'dns-in');
});

after(async () => {
  try {
    await engine.removeAll();
    for (const name of ['dns-a', 'dns-b', 'dns-in']) await docker('network', 'rm', name);
  } finally {
    await engine.close();
  }
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** A container that lives, with a name. */
function run(name: string, network: string, ...more: string[]): Promise<string> {
  return docker(
    'run',
    '-d',
    '--name',
    name,
    '--network',
    network,
    ...more,
    'guest',
    '/net',
    'listen',
    '9000',
    name,
  );
}

async function addressOf(name: string): Promise<string> {
  return docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name);
}

/** What a new container on the network is told. */
async function resolve(network: string, name: string, type = 1, ...more: string[]): Promise<string> {
  const { stdout } = await engine.docker([
    ...['run', '--rm', '--network', network, ...more, 'guest', '/net', 'resolve', name, String(type)],
  ]);
  return stdout.trim();
}

const dnsPids = () => findProcesses('berth-dns', '--dir', join(engine.run, 'dns'));

describe('names of containers', () => {
  test('a container resolves the others of its network by name, hostname, short id and name.network', async () => {
    const address = await addressOf('web');
    const id = (await docker('inspect', '-f', '{{.Id}}', 'web')).slice(0, 12);
    for (const name of ['web', 'WEB', 'webhost', id, 'web.dns-a'])
      assert.equal(await resolve('dns-a', name), `${name}: code 0 ${address}`);
    assert.equal(await resolve('dns-a', 'web', 28), 'web: code 0', 'no IPv6 address is an empty answer');
  });

  test('on a network with IPv6 both addresses resolve, and the server answers on its IPv6 gateway too', async () => {
    await docker('network', 'create', '--ipv6', 'dns-six');
    await run('six', 'dns-six');
    const inspect = (field: string) =>
      docker('inspect', '-f', `{{(index .NetworkSettings.Networks "dns-six").${field}}}`, 'six');
    const [v4, v6, gateway6] = [
      await inspect('IPAddress'),
      await inspect('GlobalIPv6Address'),
      await inspect('IPv6Gateway'),
    ];
    assert.equal(await resolve('dns-six', 'six'), `six: code 0 ${v4}`);
    assert.equal(await resolve('dns-six', 'six', 28), `six: code 0 ${v6}`);
    assert.match(
      await docker('run', '--rm', '--network', 'dns-six', 'guest', '/net', 'ask', gateway6, 'six', '28'),
      /code 0 /,
    );
    await docker('rm', '-f', 'six');
    await docker('network', 'rm', 'dns-six');
  });

  test('an address resolves to the name', async () => {
    const reverse = `${(await addressOf('web')).split('.').toReversed().join('.')}.in-addr.arpa`;
    assert.equal(await resolve('dns-a', reverse, 12), `${reverse}: code 0 web.dns-a.`);
  });

  test('a container of the default network is found by its name too', async () => {
    await run('plain', 'bridge');
    assert.equal(await resolve('bridge', 'plain'), `plain: code 0 ${await addressOf('plain')}`);
    await docker('rm', '-f', 'plain');
  });

  test('a name is known before the first instruction of its container, time after time', async () => {
    for (let round = 0; round < 25; round++) {
      const name = `self${round}`;
      const said = await docker(
        'run',
        '--rm',
        '--name',
        name,
        '--network',
        'dns-a',
        'guest',
        '/net',
        'resolve',
        name,
        '1',
      );
      assert.match(said, /: code 0 10\./);
    }
  });

  test('an alias resolves to every container that has it, in turn', async () => {
    const pool = ['--network-alias', 'pool'];
    for (const name of ['one', 'two']) await run(name, 'dns-a', ...pool);
    const addresses = [await addressOf('one'), await addressOf('two')];
    const firsts = new Set<string>();
    for (let round = 0; round < 8; round++) {
      const [, , , first = '', second = ''] = (await resolve('dns-a', 'pool')).split(' ');
      assert.deepEqual([first, second].toSorted(), addresses.toSorted());
      firsts.add(first);
    }
    assert.equal(firsts.size, 2);
    await docker('rm', '-f', 'one', 'two');
  });

  test('a container on two networks knows the names of both, for as long as it is on both', async () => {
    await run('both', 'dns-b');
    const ask = (name: string) => docker('exec', 'both', '/net', 'resolve', name, '1');
    await docker('network', 'connect', 'dns-a', 'both');
    const web = `web: code 0 ${await addressOf('web')}`;
    const secret = `secret: code 0 ${await addressOf('secret')}`;
    assert.deepEqual([await ask('web'), await ask('secret')], [web, secret]);
    assert.match(await resolve('dns-a', 'both'), /: code 0 10\./);
    await docker('network', 'disconnect', 'dns-b', 'both');
    assert.equal(await ask('web'), web, 'the server is the gateway that is left');
    const resolvConf = await docker('exec', 'both', '/guest', 'cat', '/etc/resolv.conf');
    assert.equal(resolvConf.match(/^nameserver /gm)?.length, 1);
    assert.doesNotMatch(await resolve('dns-b', 'both', 1, '--dns', '192.0.2.1'), /code 0 10\./);
    await docker('rm', '-f', 'both');
  });

  test('a renamed container answers to its new name, a removed one to none', async () => {
    await run('before', 'dns-in');
    const address = await addressOf('before');
    await docker('rename', 'before', 'afterwards');
    assert.equal(await resolve('dns-in', 'afterwards'), `afterwards: code 0 ${address}`);
    assert.equal(await resolve('dns-in', 'before'), 'before: code 3');
    await docker('rm', '-f', 'afterwards');
    assert.equal(await resolve('dns-in', 'afterwards'), 'afterwards: code 3');
  });
});

describe('walls between names', () => {
  test('one network does not learn the names of another', async () => {
    const said = await resolve('dns-a', 'secret', 1, '--dns', '192.0.2.1');
    assert.doesNotMatch(said, /10\.2/);
  });

  test('an internal network resolves its own names and asks nobody about others (CVE-2024-29018)', async () => {
    assert.equal(await resolve('dns-in', 'db'), `db: code 0 ${await addressOf('db')}`);
    assert.equal(await resolve('dns-in', 'secret-data.example.com'), 'secret-data.example.com: code 3');
  });

  test('an isolated network, which may not reach the host, reaches its name server', async () => {
    await docker('network', 'create', '--label', 'berth.egress=isolated', 'dns-iso');
    await run('lonely', 'dns-iso');
    assert.equal(await resolve('dns-iso', 'lonely'), `lonely: code 0 ${await addressOf('lonely')}`);
    await docker('rm', '-f', 'lonely');
    await docker('network', 'rm', 'dns-iso');
  });
});

describe('resolv.conf', () => {
  test('it names the gateway of the bridge network, and keeps what the user said of search and options', async () => {
    const gateway = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'dns-a');
    const cat = ['guest', '/guest', 'cat', '/etc/resolv.conf'];
    const text = await docker('run', '--rm', '--network', 'dns-a', '--dns-search', 'corp.example', ...cat);
    assert.match(text, new RegExp(`^nameserver ${gateway}\nsearch corp.example\noptions .*ndots:0$`));
    const own = await docker('run', '--rm', '--network', 'dns-a', '--dns', '127.0.0.1', ...cat);
    assert.match(own, /^nameserver 127\.0\.0\.1$/m);
    const host = await docker('run', '--rm', '--network', 'host', ...cat);
    assert.equal(host, readFileSync('/etc/resolv.conf', 'utf8').trim());
  });

  test('a server given with --dns is asked for what is no name here, and containers still resolve', async () => {
    const server = await docker(
      ...[
        'run',
        '-d',
        '--name',
        'upstream',
        '--network',
        'dns-b',
        'guest',
        '/net',
        'serve-dns',
        '203.0.113.7',
      ],
    );
    await eventually('it serves', async () => (await engine.output(server)).includes('serving'));
    const dns = ['--dns', await addressOf('upstream')];
    assert.equal(await resolve('dns-a', 'some.where', 1, ...dns), 'some.where: code 0 203.0.113.7');
    assert.equal(await resolve('dns-a', 'web', 1, ...dns), `web: code 0 ${await addressOf('web')}`);
    await docker('rm', '-f', 'upstream');
  });
});

describe('the name server', () => {
  test('it runs as nobody and may do nothing but bind its port', () => {
    const [pid] = dnsPids();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
    assert.match(status, /^Groups:\s*$/m);
    for (const set of ['CapPrm', 'CapEff']) assert.match(status, new RegExp(`^${set}:\t0*400$`, 'm'));
    for (const set of ['CapInh', 'CapBnd', 'CapAmb']) assert.match(status, new RegExp(`^${set}:\t0+$`, 'm'));
    assert.match(status, /^NoNewPrivs:\t1$/m);
  });

  test('it lives in less than a megabyte', { skip: plainOnly }, () => {
    const rollup = readFileSync(`/proc/${dnsPids()[0]}/smaps_rollup`, 'utf8');
    assert.ok(Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) < 1024, rollup);
  });

  test('names resolve while daemon and helper are dead, and the next daemon adopts the server', async () => {
    const asker = await docker(...['run', '-d', '--network', 'dns-a', 'guest', '/guest', 'sleep', '60000']);
    const [pid] = dnsPids();
    const gateway = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'dns-a');
    const helper = engine.helperPid;
    await engine.stopDaemon('SIGKILL');
    process.kill(helper, 'SIGKILL');
    const reply = await askByUdp(gateway, { name: 'web' });
    assert.deepEqual([reply.code, reply.answers, dnsPids()], [0, 1, [pid]]);
    await engine.startDaemon();
    assert.deepEqual(dnsPids(), [pid], 'the same process goes on');
    assert.equal(
      await docker('exec', asker, '/net', 'resolve', 'web', '1'),
      `web: code 0 ${await addressOf('web')}`,
    );
    await docker('rm', '-f', asker);
  });

  test('a server that is killed is started again, adopted or not', async () => {
    for (let round = 0; round < 2; round++) {
      const [pid] = dnsPids();
      process.kill(pid ?? 0, 'SIGKILL');
      await eventually('another one runs', async () => dnsPids().some((other) => other !== pid));
      await eventually('names resolve', async () =>
        (await resolve('dns-a', 'web')).startsWith('web: code 0 10.'),
      );
    }
  });
});
