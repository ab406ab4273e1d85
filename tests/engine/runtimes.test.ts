// Containers that another OCI runtime makes (`docker run --runtime runc`), through the real docker CLI: they are containers like any other.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nativeDir } from './config.ts';
import { type CliResult, eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;
const isV1 = existsSync('/sys/fs/cgroup/memory');

/** A run by a runtime that never comes back takes its whole limit: it is begun first and looked at last. */
let hanging: Promise<CliResult>;

before(async () => {
  engine = new TestEngine('brun');
  const runtime = (name: string, text: string) => {
    const path = join(engine.dir, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return `${name}=${path}`;
  };
  engine.settings['BERTH_ENGINE_RUNTIMES'] = [
    runtime('broken', 'echo "the moon is in the way" >&2; exit 1'),
    runtime('hanging', 'exec sleep 60'),
    `ours=${join(nativeDir, 'berth-runtime')}`,
  ].join();
  await engine.startDaemon();
  await engine.makeImage();
  hanging = engine.docker(['run', '--rm', '--runtime', 'hanging', ...guest(['id'])]);
});

after(async () => {
  await engine.close();
});

function isInstalled(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, program)));
}

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Steps of the guest, each an argument list, as one command. */
function guest(...steps: string[][]): string[] {
  return ['guest', '/guest', ...steps.flatMap((step, index) => (index === 0 ? step : [',', ...step]))];
}

/** The engine's shims of this engine's containers, by container id. */
function shimOf(id: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const shim = pids.find((pid) => {
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
      const isShim = readFileSync(`/proc/${pid}/comm`, 'utf8') === 'berth-shim\n';
      return isShim && children.some((child) => isInGroup(child, id));
    } catch {
      return false; // it ended meanwhile
    }
  });
  return Number(shim);
}

function isInGroup(pid: string, id: string): boolean {
  return pid !== '' && readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id);
}

for (const runtime of ['runc', 'crun']) {
  const skip =
    runtime === 'ours' || isInstalled(runtime)
      ? false
      : `"${runtime}" is missing: install it (apt-get install ${runtime})`;

  describe(`a container made by ${runtime}`, { skip }, () => {
    const run = (flags: string[], ...steps: string[][]) =>
      docker('run', '--rm', '--runtime', runtime, ...flags, ...guest(...steps));
    const start = async (flags: string[], ...steps: string[][]) =>
      (await docker('run', '-d', '--runtime', runtime, ...flags, ...guest(...steps))).trim();
    const failed = (flags: string[], ...cmd: string[]): Promise<CliResult> =>
      engine.docker(['run', '--rm', '--runtime', runtime, ...flags, ...cmd]);

    test('has the walls that ours have: users, capabilities, system calls, namespaces', async () => {
      const steps = [['cat', '/proc/self/status'], ['calls'], ['list', '/proc/sys/net'], ['fds']];
      const shown = await run([], ...steps);
      const own = await docker('run', '--rm', ...guest(...steps));
      const facts = (text: string) =>
        text
          .split('\n')
          .filter((line) => /^(Cap|NoNewPrivs|Seccomp:|unshare|mount|clone3|keyctl|mknod)/.test(line));
      assert.deepEqual(facts(shown), facts(own));
      assert.match(shown, /^NoNewPrivs:\t1$/m);
      assert.match(shown, /^clone3: Function not implemented$/m);
      assert.doesNotMatch(shown, /^fd [3-9]/m);

      const map = await run([], ['cat', '/proc/self/uid_map']);
      assert.match(map, /^\s+0\s+[1-9]\d*\s+65536\n$/);
      const { stdout } = await failed(['--userns', 'host'], ...guest(['cat', '/proc/self/uid_map']));
      assert.match(stdout, /^\s+0\s+0\s+4294967295\n$/);
    });

    test('runs as the user of the image, with its environment, folder and exit code', async () => {
      const shown = await run(
        ['-u', 'app', '-e', 'A=b', '-w', '/tmp/new', '-h', 'box'],
        ['id'],
        ['cwd'],
        ['env', 'A'],
        ['env', 'HOSTNAME'],
        ['env', 'HOME'],
      );
      assert.match(shown, /^uid=1000 gid=1001 groups=1001\n\/tmp\/new\n/);
      assert.match(shown, /^A=b$/m);
      assert.match(shown, /^HOSTNAME=box$/m);
      assert.match(shown, /^HOME=\/$/m);
      assert.equal((await failed([], ...guest(['exit', '7']))).code, 7);
      assert.equal((await failed([], 'guest', '/nothing')).code, 127);
      assert.equal((await failed([], 'guest', '/etc/passwd')).code, 126);
      assert.match((await failed(['-u', 'nobody-here'], ...guest(['id']))).stderr, /nobody-here/);
    });

    test('keeps its limits, and says when it ran out of memory', async () => {
      const file = isV1 ? 'memory/memory.limit_in_bytes' : 'memory.max';
      const pids = isV1 ? 'pids/pids.max' : 'pids.max';
      const shown = await run(
        ['-m', '64m', '--pids-limit', '77', '--ulimit', 'nofile=123:456'],
        ['cat', `/sys/fs/cgroup/${file}`],
        ['cat', `/sys/fs/cgroup/${pids}`],
        ['cat', '/proc/self/limits'],
      );
      assert.match(shown, /^67108864\n77\n/);
      assert.match(shown, /Max open files\s+123\s+456/);
      const id = await start(['-m', '32m'], ['memory', '100']);
      assert.equal((await docker('wait', id)).trim(), '137');
      assert.equal(await docker('inspect', '-f', '{{.State.OOMKilled}}', id), 'true\n');
      await docker('rm', id);
    });

    test('has the network, its ports and its names, and shares namespaces', async () => {
      const id = await start(
        ['--name', `web-${runtime}`, '-p', '127.0.0.1::8080', '--ipc', 'shareable'],
        ['say', 'up'],
        ['sleep', '60000'],
      );
      assert.match(await docker('exec', id, '/guest', 'cat', '/etc/hosts'), new RegExp(id.slice(0, 12)));
      assert.match(await docker('port', id), /^8080\/tcp -> 127\.0\.0\.1:\d+\n$/);
      assert.match(await docker('exec', id, '/guest', 'cat', '/proc/net/dev'), /eth0/);
      assert.equal(await run(['--network', 'none'], ['list', '/sys/class/net']), 'lo\n');
      const joined = await run(['--network', `container:${id}`], ['cat', '/etc/hostname']);
      assert.equal(joined, `${id.slice(0, 12)}\n`);
      for (const kind of ['net', 'ipc', 'pid']) {
        const other = [
          '--name',
          `joins-${kind}-${runtime}`,
          kind === 'net' ? '--network' : `--${kind}`,
          `container:${id}`,
        ];
        const joining = await start(other, ['sleep', '60000']);
        const link = async (of: string) =>
          readlinkSync(`/proc/${(await docker('inspect', '-f', '{{.State.Pid}}', of)).trim()}/ns/${kind}`);
        assert.equal(await link(joining), await link(id), `the ${kind} namespace is shared`);
        assert.equal(await docker('exec', joining, '/guest', 'say', 'there'), 'there\n');
        await docker('rm', '-f', joining);
      }
      for (const flags of [['--network', 'host'], ['--ipc', 'host'], ['--pid', 'host'], ['--privileged']])
        assert.match(await run(flags, ['id']), /^uid=0 /, flags.join(' '));
      await docker('rm', '-f', id);
    });

    test('has its volumes, with the owners that every container sees', async () => {
      const host = join(engine.dir, `shared-${runtime}`);
      mkdirSync(host);
      writeFileSync(join(host, 'note'), 'from the host');
      const volume = `data-${runtime}`;
      const flags = [
        '-v',
        `${volume}:/data`,
        '-v',
        `${host}:/host:ro`,
        '--tmpfs',
        '/scratch:size=1m,mode=700',
      ];
      const shown = await run(
        flags,
        ['cat', '/host/note'],
        ['write', '/host/note', 'x'],
        ['write', '/data/made', 'by it'],
        ['stat', '/scratch'],
      );
      assert.match(shown, /^from the host\/host\/note: Read-only file system\n\/data\/made: ok\n/);
      assert.match(shown, /\/scratch: mode 40700 uid 0/);
      const seen = await docker('run', '--rm', '-v', `${volume}:/data`, ...guest(['stat', '/data/made']));
      assert.match(seen, /uid 0 gid 0/);
      assert.match(await run(['--read-only'], ['write', '/new', 'x']), /Read-only file system/);
      await docker('volume', 'rm', volume);
    });

    test('prints, is signalled, paused, stopped, started again and removed', async () => {
      const id = await start([], ['say', 'first'], ['complain', 'second'], ['signal'], ['exit', '3']);
      await eventually('it waits', async () => (await engine.output(id)).includes('waiting'));
      const logs = await engine.docker(['logs', id]);
      assert.deepEqual([logs.stdout, logs.stderr], ['first\nwaiting\n', 'second\n']);
      await docker('pause', id);
      assert.equal(await docker('inspect', '-f', '{{.State.Status}}', id), 'paused\n');
      await docker('unpause', id);
      assert.match(await docker('top', id), /guest/);
      assert.match(await docker('stats', '--no-stream', id), /[1-9][\d.]*(KiB|MiB)/);
      await docker('kill', '-s', 'USR1', id);
      assert.equal((await docker('wait', id)).trim(), '3');
      assert.match(await engine.output(id), /got 10/);
      await docker('start', id);
      await eventually('it waits again', async () => (await engine.output(id)).split('waiting').length === 3);
      await docker('stop', id);
      assert.match(await engine.output(id), /got 15/);
      assert.equal(await docker('diff', id), '', 'mount points that were made are gone');
      await docker('rm', id);
    });

    test('takes input and gives a terminal', async () => {
      const echoed = await engine.docker(
        ['run', '--rm', '-i', '--runtime', runtime, ...guest(['cat', '-'])],
        'typed',
      );
      assert.equal(echoed.stdout, 'typed');
      assert.match(await run(['-t'], ['tty']), /^tty 1 \/dev\/\S+ \d+x\d+ leader 1\r\n$/);
    });

    test('leaves the devices of the host as they are', async () => {
      const states = () =>
        ['/dev/null', '/dev/zero', '/dev/full'].map((path) => {
          const { uid, gid, mode } = statSync(path);
          return { path, uid, gid, mode };
        });
      const before = states();
      for (const flags of [[], ['-t'], ['-u', 'app'], ['--userns', 'host', '-u', 'app']])
        assert.match(await run(['--device', '/dev/full', ...flags], ['stat', '/dev/full']), /rdev 1:7/);
      const id = await start([], ['sleep', '60000']);
      for (const flags of [[], ['-t'], ['-u', 'app'], ['-d']])
        await docker('exec', ...flags, id, '/guest', 'id');
      await docker('kill', '-s', 'TERM', id);
      await docker('rm', '-f', id);
      assert.deepEqual(states(), before);
    });

    test('runs further programs inside', async () => {
      const id = await start([], ['sleep', '60000']);
      const exec = (...args: string[]) => engine.docker(['exec', ...args]);
      assert.match(
        (await exec('-u', 'app', '-e', 'X=y', '-w', '/tmp', id, '/guest', 'id', ',', 'cwd')).stdout,
        /^uid=1000 .*\n\/tmp\n$/,
      );
      assert.equal((await exec(id, '/guest', 'exit', '9')).code, 9);
      assert.equal((await exec(id, '/nothing')).code, 127);
      assert.equal((await engine.docker(['exec', '-i', id, '/guest', 'cat', '-'], 'to it')).stdout, 'to it');
      assert.match((await exec('-t', id, '/guest', 'tty')).stdout, /^tty 1 /);
      const status = (await exec(id, '/guest', 'cat', '/proc/self/status')).stdout;
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      await exec('-d', id, '/guest', 'write', '/made', 'detached');
      await eventually(
        'it is written',
        async () => (await exec(id, '/guest', 'cat', '/made')).stdout === 'detached',
      );
      await docker('rm', '-f', id);
    });
  });
}

test('info lists the runtimes that are there', async () => {
  const { stdout } = await engine.docker(['info', '-f', '{{json .Runtimes}}']);
  const names = Object.keys(JSON.parse(stdout) as object);
  for (const name of ['berth', 'ours', 'hanging']) assert.ok(names.includes(name), name);
  for (const runtime of ['runc', 'crun']) assert.equal(names.includes(runtime), isInstalled(runtime));
});

test('a runtime that fails or hangs ends the start with its words, and nothing is left', async () => {
  const broken = await engine.docker(['run', '--rm', '--runtime', 'broken', ...guest(['id'])]);
  assert.deepEqual([broken.code, broken.stdout], [125, '']);
  assert.match(broken.stderr, /broken: the moon is in the way/);
  const { code, stderr } = await hanging;
  assert.equal(code, 125);
  assert.match(stderr, /runtime "hanging" did not create the container in time/);
  const left = (await engine.client.listContainers()).filter(({ State }) => State !== 'exited');
  assert.deepEqual(left, []);
  assert.deepEqual(engine.cgroupProcesses(), []);
});

test('a runtime that is not there is refused by name', async () => {
  const refused = (...flags: string[]) => engine.docker(['run', '--rm', ...flags, ...guest(['id'])]);
  const unknown = await refused('--runtime', 'nope');
  assert.equal(unknown.code, 125);
  assert.match(unknown.stderr, /unknown or invalid runtime name: nope/);
  if (isInstalled('runc'))
    assert.match(
      (await refused('--runtime', 'runc', '--init')).stderr,
      /--init is not supported with runtime "runc"/,
    );
});

test('the OCI runtime of the engine itself is driven like any other', async () => {
  const shown = await engine.docker(['run', '--rm', '--runtime', 'ours', ...guest(['id'], ['exit', '4'])]);
  assert.equal(shown.code, 4, shown.stderr);
  assert.match(shown.stdout, /^uid=0 gid=0 /);
  const missing = await engine.docker(['run', '--rm', '--runtime', 'ours', 'guest', '/nothing']);
  assert.equal(missing.code, 127, missing.stderr);
});

test('containers of every runtime outlive the daemon, and end with their shim', async () => {
  const started: { id: string; runtime: string; pid: number }[] = [];
  for (const runtime of ['ours', 'runc', 'crun'].filter((one) => one === 'ours' || isInstalled(one))) {
    const id = (await docker('run', '-d', '--runtime', runtime, ...guest(['sleep', '60000']))).trim();
    const pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', id));
    started.push({ id, runtime, pid });
  }
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
  for (const { id, runtime } of started) {
    const shown = await docker('inspect', '-f', '{{.State.Status}} {{.HostConfig.Runtime}}', id);
    assert.equal(shown, `running ${runtime}\n`);
    assert.equal(await docker('exec', id, '/guest', 'say', 'still'), 'still\n');
  }
  await engine.stopDaemon('SIGKILL'); // nobody but the shims' own guards is left to end them
  for (const { id } of started) process.kill(shimOf(id), 'SIGKILL');
  for (const { pid, runtime } of started)
    await eventually(`${runtime}'s process ends`, async () => !existsSync(`/proc/${pid}/root/guest`));
  await engine.startDaemon();
  for (const { id } of started) {
    assert.equal(await docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', id), 'exited 137\n');
    await docker('rm', id);
  }
});
