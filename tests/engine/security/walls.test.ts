// What a hostile program finds when it looks around in an ordinary container: the calls it may make, its capabilities, devices, control
// groups, ports, and processes that enter. Each is tried for real, and where it is cheap without the wall too, to show that there was something to try.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from '../engine-harness.ts';
import { makeHostileImage } from './hostile-image.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('swal');
  await makeHostileImage(engine, 'hostile', []);
});

after(() => engine.close());

async function attack(flags: string[], ...attempt: string[]): Promise<string[]> {
  const { stdout } = await engine.docker(['run', '--rm', ...flags, 'hostile', '/attacker', ...attempt]);
  return stdout.trimEnd().split('\n');
}

const noPermission = 'Operation not permitted';
/** As an old kernel would answer, so that a libc takes the older call. */
const unknownCalls = ['clone3: Function not implemented'];
const killedCalls = ['x32 getpid: killed by signal 31', 'i386 keyctl: killed by signal 31'];

describe('system calls', () => {
  test('none that makes walls, breaks them or has broken kernels is let through (CVE-2026-31431, CVE-2022-0185 and their like)', async () => {
    const lines = await attack([], 'calls');
    assert.ok(lines.length > 45, 'all were tried');
    const other = lines.filter((line) => !line.endsWith(`: ${noPermission}`));
    assert.deepEqual(
      other.filter((line) => !killedCalls.includes(line)),
      unknownCalls,
    );
  });

  test('it is the filter that refuses them: without it the kernel takes them up', async () => {
    const lines = await attack(['--security-opt', 'seccomp=unconfined'], 'calls');
    const names = [
      'io_uring_setup',
      'keyctl',
      'add_key',
      'bpf',
      'userfaultfd',
      'unshare user',
      'clone user',
      'move_pages',
    ];
    for (const name of names) {
      const line = lines.find((one) => one.startsWith(`${name}: `)) ?? '';
      assert.notEqual(line, `${name}: ${noPermission}`);
    }
  });
});

describe('privileges', () => {
  test('CVE-2022-24769: the 11 capabilities, and none that is inheritable, for the program and for execs', async (t) => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000']);
    t.after(() => engine.client.removeContainer(id, { force: true }));
    const own = await engine.docker(['run', '--rm', 'guest', '/guest', 'cat', '/proc/self/status']);
    const later = await engine.docker(['exec', id, '/guest', 'cat', '/proc/self/status']);
    // CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP
    const eleven = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31].reduce((set, bit) => set + 2 ** bit, 0);
    for (const { stdout } of [own, later]) {
      const set = (name: string) =>
        Number.parseInt(new RegExp(`^${name}:\\s*(\\w+)`, 'm').exec(stdout)?.[1] ?? 'x', 16);
      assert.deepEqual(['CapPrm', 'CapEff', 'CapBnd'].map(set), [eleven, eleven, eleven]);
      assert.deepEqual(['CapInh', 'CapAmb'].map(set), [0, 0]);
      assert.match(stdout, /^NoNewPrivs:\s+1$/m);
    }
  });

  test('CVE-2022-36109: the primary group is among the supplementary ones, so that nobody gets rid of it', async () => {
    const { stdout } = await engine.docker(['run', '--rm', '-u', 'app', 'guest', '/guest', 'id']);
    assert.equal(stdout, 'uid=1000 gid=1001 groups=1001\n');
  });

  test('GO-2025-3528: a user beyond 32 bits, below zero or misspelt is refused, and never root', async (t) => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000']);
    t.after(() => engine.client.removeContainer(id, { force: true }));
    for (const user of [
      '4294967295',
      '4294967296',
      '18446744073709551616',
      '-1',
      '0x0',
      ' 0',
      '1000:4294967296',
    ]) {
      const run = await engine.docker(['run', '--rm', '-u', user, 'guest', '/guest', 'id']);
      const exec = await engine.docker(['exec', '-u', user, id, '/guest', 'id']);
      for (const { code, stdout, stderr } of [run, exec]) {
        assert.notEqual(code, 0, `"${user}" ran as ${stdout}`);
        assert.match(stderr, /unable to find (user|group)|no matching entries/);
      }
    }
    const large = await engine.docker(['run', '--rm', '-u', '2147483648', 'guest', '/guest', 'id']);
    assert.doesNotMatch(large.stdout, /uid=0/);
  });
});

describe('devices', () => {
  test('none can be made in a user namespace, and one that can be made without cannot be opened', async () => {
    assert.equal((await attack([], 'device', 'c', '1', '11'))[0], `mknod: ${noPermission}`);
    const own = ['--userns', 'host', '--cap-add', 'MKNOD'];
    for (const [type, major, minor] of [
      ['c', '1', '11'],
      ['c', '1', '1'],
      ['c', '10', '229'],
      ['b', '7', '0'],
    ] as const)
      assert.deepEqual(await attack(own, 'device', type, major, minor), [
        'mknod: ok',
        `open: ${noPermission}`,
      ]);
    assert.deepEqual(
      await attack(own, 'device', 'c', '1', '5'),
      ['mknod: ok', 'open: ok'],
      'the allowed ones can',
    );
    const privileged = ['--userns', 'host', '--privileged'];
    assert.deepEqual(
      await attack(privileged, 'device', 'c', '1', '11'),
      ['mknod: ok', 'open: ok'],
      'without the wall',
    );
  });
});

describe('control groups', () => {
  for (const flags of [[], ['--userns', 'host'], ['--userns', 'host', '--cgroupns', 'host']])
    test(`CVE-2022-0492: no release agent, no membership and no hierarchy of its own can be had ${flags.join(' ')}`, async () => {
      const lines = await attack(flags, 'escape');
      assert.ok(
        lines.some((line) => line.startsWith('cgroup.procs: ')),
        'its own groups were found',
      );
      const allowed =
        /^(release_agent|notify_on_release|cgroup\.procs): (Read-only file system|Permission denied)$/;
      const others = lines.filter((line) => !allowed.test(line));
      assert.deepEqual(others, [`unshare: ${noPermission}`, `mount: ${noPermission}`]);
      assert.ok(
        !lines.some((line) => line.startsWith('release_agent')),
        'the root of the hierarchy is out of sight',
      );
    });
});

describe('what enters a container', () => {
  for (const userns of [[], ['--userns', 'host']])
    test(`CVE-2019-5736, CVE-2016-9962: execs give a program that watches for them nothing to hold ${userns.join(' ')}`, async () => {
      const started = await engine.docker(['run', '-d', ...userns, 'hostile', '/attacker', 'spy', '3']);
      const id = started.stdout.trim();
      await eventually('it watches', async () => (await engine.output(id)).includes('watching'));
      const end = Date.now() + 3000;
      let execs = 0;
      while (Date.now() < end && (await engine.docker(['exec', id, '/guest', 'pid'])).code === 0) execs++;
      await engine.client.waitContainer(id);
      const output = await engine.output(id);
      await engine.client.removeContainer(id, { force: true });
      assert.ok(execs > 5, `${execs} execs`);
      assert.match(output, /^seen 1 got 0$/m, 'they were seen on their way, and nothing of them was had');
    });
});

test('nothing of the host but what every container is given is mounted, no socket of the engine above all', async () => {
  const { stdout } = await engine.docker(['run', '--rm', 'guest', '/guest', 'cat', '/proc/self/mountinfo']);
  const fromHost = stdout
    .split('\n')
    .map((line) => line.split(' '))
    .filter(
      ([, , , root, , , ...rest]) =>
        root !== '/' && /^(ext4|xfs|btrfs|tmpfs|devtmpfs|overlay)$/.test(rest[rest.indexOf('-') + 1] ?? ''),
    )
    .map(([, , , , place]) => place);
  const nodes = ['full', 'null', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`);
  const given = new Set(['/etc/hosts', '/etc/hostname', '/etc/resolv.conf', ...nodes]);
  assert.deepEqual(
    fromHost.filter((place) => !given.has(place ?? '') && !place?.startsWith('/proc/')),
    [],
  );
  assert.ok(fromHost.includes('/etc/hosts'));
  assert.doesNotMatch(stdout, /\.sock/);
});

describe('the network', () => {
  test('no process of the engine listens on a port that was not asked for', async (t) => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000']);
    t.after(() => engine.client.removeContainer(id, { force: true }));
    const listening = ['tcp', 'tcp6']
      .flatMap((family) => readFileSync(`/proc/net/${family}`, 'utf8').split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === '0A');
    const pids = [engine.daemonPid, engine.helperPid];
    const sockets = pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).map((fd) => target(`/proc/${pid}/fd/${fd}`)),
    );
    const inodes = new Set(sockets.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
    assert.ok(inodes.size > 2, 'they do have sockets');
    assert.deepEqual(
      listening.filter(([, , , , , , , , , inode]) => inodes.has(inode)),
      [],
    );
  });
});

/** A descriptor may be closed by the time it is looked at. */
function target(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
