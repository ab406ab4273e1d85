// The flags of docker run and create, through the real docker CLI: what a container may use, who it is, and what is refused.
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;
const isV1 = existsSync('/sys/fs/cgroup/memory');

before(async () => {
  engine = await TestEngine.start('bfla');
});

after(async () => {
  await engine.close();
});

async function run(flags: string[], ...cmd: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(['run', '--rm', ...flags, 'guest', '/guest', ...cmd]);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function refused(flags: string[], message: RegExp, exitCode = 125): Promise<void> {
  const { code, stderr } = await engine.docker(['run', '--rm', ...flags, 'guest', '/guest', 'say', 'ran']);
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, message);
}

/** What the container itself sees of its limits. */
function limits(flags: string[], ...files: [v1: string, v2: string][]): Promise<string> {
  const steps = files.map(([v1, v2]) => ['cat', `/sys/fs/cgroup/${isV1 ? v1 : v2}`]);
  return run(flags, ...steps.flatMap((step, index) => (index === 0 ? step : [',', ...step])));
}

describe('limits', () => {
  test('memory, reservation and swap', async () => {
    const shown = await limits(
      ['-m', '64m', '--memory-reservation', '32m', '--memory-swap', '128m'],
      ['memory/memory.limit_in_bytes', 'memory.max'],
      ['memory/memory.soft_limit_in_bytes', 'memory.low'],
    );
    assert.equal(shown, '67108864\n33554432\n');
    await refused(['-m', '4m'], /Minimum memory limit allowed is 6MB/);
    await refused(['-m', '64m', '--memory-swap', '32m'], /memoryswap limit should be larger/);
  });

  test('processor time, weight and the set of processors', async () => {
    const shown = await limits(
      ['--cpu-quota', '50000', '--cpu-period', '100000', '--cpuset-cpus', '0', '--cpuset-mems', '0'],
      ['cpu/cpu.cfs_quota_us', 'cpu.max'],
      ['cpuset/cpuset.cpus', 'cpuset.cpus'],
    );
    assert.equal(shown, isV1 ? '50000\n0\n' : '50000 100000\n0\n');
    if (isV1) assert.equal(await limits(['--cpu-shares', '512'], ['cpu/cpu.shares', '']), '512\n');
    await refused(['--cpus', '400'], /range of CPUs is from 0.01/);
    await refused(['--cpuset-cpus', '0-399'], /Requested CPUs are not available/);
  });

  test('the number of processes, and the score of the out-of-memory killer', async () => {
    assert.equal(await limits(['--pids-limit', '50'], ['pids/pids.max', 'pids.max']), '50\n');
    assert.equal(await limits(['--pids-limit', '-1'], ['pids/pids.max', 'pids.max']), 'max\n');
    assert.equal(await run(['--oom-score-adj', '200'], 'cat', '/proc/self/oom_score_adj'), '200\n');
  });

  test('ulimits', async () => {
    assert.match(
      await run(['--ulimit', 'nofile=64:128'], 'cat', '/proc/self/limits'),
      /Max open files\s+64\s+128/,
    );
    await refused(['--ulimit', 'nope=1'], /invalid ulimit type/);
  });

  test('an update changes a running container, and what it does not name stays', async () => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000'], { HostConfig: { Memory: 64 << 20 } });
    const updated = await engine.docker(['update', '--pids-limit', '77', '--cpuset-cpus', '0', id]);
    assert.equal(updated.code, 0, updated.stderr);
    const files = isV1
      ? ['pids/pids.max', 'memory/memory.limit_in_bytes', 'cpuset/cpuset.cpus']
      : ['pids.max', 'memory.max', 'cpuset.cpus'];
    const steps = files.flatMap((file) => ['cat', `/sys/fs/cgroup/${file}`, ',']);
    const seen = await engine.docker(['exec', id, '/guest', ...steps.slice(0, isV1 ? 5 : 8)]);
    assert.match(seen.stdout, /^77\n67108864\n/);
    const processors = await engine.docker(['exec', id, '/guest', 'cat', '/proc/self/status']);
    assert.match(processors.stdout, /Cpus_allowed_list:\s+0\n/);
    await engine.client.removeContainer(id, { force: true });
  });
});

describe('identity and walls', () => {
  test('groups are added by name and by number, for execs as well', async () => {
    const id = await engine.docker([
      'run',
      '-d',
      '--group-add',
      'app',
      '--group-add',
      '77',
      'guest',
      '/guest',
      'sleep',
      '60000',
    ]);
    const name = id.stdout.trim();
    const { stdout } = await engine.docker(['exec', name, '/guest', 'id']);
    assert.equal(stdout, 'uid=0 gid=0 groups=0,77,1001\n');
    await engine.client.removeContainer(name, { force: true });
    await refused(['--group-add', 'nope'], /unable to find group nope: no matching entries/);
    await refused(['-u', 'nope'], /unable to find user nope: no matching entries/);
  });

  test('security options take walls away only when they say so', async () => {
    const status = (...flags: string[]) => run(flags, 'cat', '/proc/self/status');
    assert.match(await status(), /NoNewPrivs:\s+1[\s\S]*Seccomp:\s+2/);
    assert.match(await status('--security-opt', 'no-new-privileges=false'), /NoNewPrivs:\s+0/);
    assert.match(await status('--security-opt', 'seccomp=unconfined'), /Seccomp:\s+0/);
    assert.match(await status('--security-opt', 'apparmor=unconfined'), /Seccomp:\s+2/);
    const masked = 'cat';
    assert.equal(await run([], masked, '/proc/timer_list'), '');
    assert.notEqual(
      await run(['--userns', 'host', '--security-opt', 'systempaths=unconfined'], 'cat', '/proc/interrupts'),
      '',
    );
    await refused(['--security-opt', 'magic=1'], /invalid --security-opt/);
  });

  test('a privileged container has the devices of the host, another only those it names', async () => {
    const listed = await run(['--privileged'], 'list', '/dev');
    assert.match(listed, /^kmsg$/m);
    assert.doesNotMatch(await run([], 'list', '/dev'), /^kmsg$/m);
    const named = await run(
      ['--userns', 'host', '--device', '/dev/kmsg:/dev/berth/log:r'],
      'stat',
      '/dev/berth/log',
    );
    assert.match(named, /rdev 1:11/);
    if (isV1) {
      const rules = await limits(['--device-cgroup-rule', 'c 42:* rwm'], ['devices/devices.list', '']);
      assert.match(rules, /^c 42:\* rwm$/m);
    }
    await refused(['--device', '/dev/nothing-there'], /no such file or directory/, 127);
  });

  test('namespaces of the host and of other containers', async () => {
    assert.equal(await run(['--uts', 'host'], 'cat', '/proc/sys/kernel/hostname'), `${hostname()}\n`);
    await refused(['--uts', 'host', '-h', 'box'], /conflicting options: hostname and the UTS mode/);
    await refused(['--pid', 'strange'], /invalid PID mode|--pid: invalid/);
    const donor = await engine.runDetached(['/guest', 'sleep', '60000'], {}, 'private-ipc');
    await refused(['--ipc', 'container:private-ipc'], /non-shareable IPC/);
    await engine.client.removeContainer(donor, { force: true });
  });

  test('a container that joins the processes of another sees them, as the same users, and ends with them', async () => {
    const owner = await engine.runDetached(['/guest', 'sleep', '60000'], {}, 'owner');
    const joined = await engine.docker([
      'run',
      '-d',
      '--pid',
      'container:owner',
      '--name',
      'guest-of',
      'guest',
      '/guest',
      'sleep',
      '50000',
    ]);
    assert.equal(joined.code, 0, joined.stderr);
    const first = await engine.docker(['exec', 'guest-of', '/guest', 'cat', '/proc/1/cmdline']);
    assert.equal(first.stdout, '/guest\0sleep\x0060000\0');
    const itself = await engine.docker(['exec', 'guest-of', '/guest', 'list', '/proc/1/root/']);
    assert.match(itself.stdout, /^guest$/m, 'the other root is open to the same user');
    await engine.client.removeContainer(owner, { force: true });
    assert.equal((await engine.client.waitContainer('guest-of')).exitCode, 137);
    await engine.docker(['rm', 'guest-of']);
    await refused(['--pid', 'container:nobody'], /No such container: nobody/);
    await refused(['--network', 'container:nobody'], /No such container: nobody/);
  });

  test('shared IPC is shared memory too, of another container and of the host', async () => {
    const donor = await engine.runDetached(
      ['/guest', 'write', '/dev/shm/word', 'shared', ',', 'sleep', '60000'],
      { HostConfig: { IpcMode: 'shareable' } } as object,
      'donor',
    );
    await eventually('it is written', async () => (await engine.output(donor)) !== '');
    assert.equal(await run(['--ipc', 'container:donor'], 'cat', '/dev/shm/word'), 'shared');
    const name = `berth-test-${process.pid}`;
    writeFileSync(`/dev/shm/${name}`, 'of the host');
    try {
      assert.equal(await run(['--ipc', 'host'], 'cat', `/dev/shm/${name}`), 'of the host');
      assert.match(await run([], 'cat', `/dev/shm/${name}`), /No such file/);
    } finally {
      rmSync(`/dev/shm/${name}`);
      await engine.client.removeContainer(donor, { force: true });
    }
  });

  test('a seccomp profile of its own decides which calls a program may make', async () => {
    const file = join(engine.dir, 'profile.json');
    const rule = { names: ['unshare', 'keyctl'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 };
    writeFileSync(file, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
    const shown = await run(['--security-opt', `seccomp=${file}`], 'calls');
    assert.match(shown, /^unshare: Not supported$/m);
    assert.match(shown, /^keyctl: Not supported$/m);
    assert.match(await run([], 'calls'), /^unshare: Operation not permitted$/m);
  });

  test('only sysctls of namespaces of its own can be set', async () => {
    assert.equal(
      await run(['--sysctl', 'net.core.somaxconn=99'], 'cat', '/proc/sys/net/core/somaxconn'),
      '99\n',
    );
    assert.equal(await run(['--sysctl', 'kernel.msgmax=9999'], 'cat', '/proc/sys/kernel/msgmax'), '9999\n');
    await refused(['--sysctl', 'vm.swappiness=1'], /is not allowed/);
    await refused(['--sysctl', 'net.core.somaxconn=9', '--network', 'host'], /not separate|not allowed/);
  });
});

describe('an init of its own', () => {
  test('SIGTERM reaches every program of a container with --init, and its end waits for all of them', async () => {
    const id = await engine.runDetached(['/guest', 'pair'], { HostConfig: { Init: true } });
    await eventually('both wait', async () => (await engine.output(id)) === 'waiting\nwaiting\n');
    await engine.client.stopContainer(id, 20);
    const output = await engine.output(id);
    assert.match(output, /got 15\n[\s\S]*got 15\nsecond ended\n$/);
    assert.equal((await engine.client.inspectContainer(id)).State.ExitCode, 0);
    await engine.client.removeContainer(id);
  });

  test('any other signal is for the first program alone', async () => {
    const id = await engine.runDetached(['/guest', 'pair'], { HostConfig: { Init: true } });
    await eventually('both wait', async () => (await engine.output(id)) === 'waiting\nwaiting\n');
    await engine.docker(['kill', '-s', 'HUP', id]);
    await engine.client.waitContainer(id);
    assert.equal(await engine.output(id), 'waiting\nwaiting\ngot 1\n');
    await engine.client.removeContainer(id);
  });
});
