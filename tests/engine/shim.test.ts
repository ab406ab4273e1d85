/** Whole behaviours of berth-shim, run by hand with a static guest: no helper, no daemon, no image. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, Sandbox, splitFrames } from './shim-harness.ts';
import { buildRuntime, GuestRoot } from './shim-root.ts';

const isRoot = process.getuid?.() === 0;
const guest = (...steps: string[]): string[] => [
  '/guest',
  ...steps.flatMap((step) => [...step.split(' '), ',']),
];

/** Everything of ours that a finished container must not leave on the host. */
function leftovers(container: Container): string[] {
  const found: string[] = [];
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  for (const root of roots) {
    const group = `${root}/${String(container.spec['cgroup'])}`;
    if (existsSync(group)) found.push(group);
  }
  if (readFileSync('/proc/self/mountinfo', 'utf8').includes(container.id)) found.push('mount');
  if (existsSync(`/proc/${container.shimPid}`)) found.push(`process ${container.shimPid}`);
  if (container.pid && existsSync(`/proc/${container.pid}`)) found.push(`process ${container.pid}`);
  if (existsSync(`${container.runDir}/shim.sock`)) found.push('socket');
  return found;
}

describe('berth-shim', { skip: isRoot ? false : 'needs root' }, () => {
  let root: GuestRoot;
  let sandbox: Sandbox;

  before(() => {
    buildRuntime();
    root = new GuestRoot();
    sandbox = new Sandbox(root.path);
  });

  after(async () => {
    await sandbox.close();
    root.remove();
    for (const container of sandbox.containers) assert.deepEqual(leftovers(container), []);
  });

  const refused = async (command: string[], overrides = {}, extra = {}): Promise<[string, string]> => {
    const container = sandbox.container(command, overrides, extra);
    const started = await container.start();
    assert.equal(started.ok, false);
    await container.shimExit;
    assert.deepEqual(leftovers(container), []);
    return [started.error?.code ?? '', started.error?.message ?? ''];
  };

  describe('starts', () => {
    it('runs a program as the root of its own user namespace and records how it ended', async () => {
      const container = await sandbox.run(guest('id', 'pid', 'exit 7'));
      assert.equal(container.output(), 'uid=0 gid=0 groups=0\npid 1\n');
      const record = await container.finished();
      assert.equal(record['exitCode'], 7);
      assert.equal(record['oomKilled'], false);
      assert.deepEqual(JSON.parse(readFileSync(`${container.runDir}/exit.json`, 'utf8')), record);
      assert.deepEqual(leftovers(container), []);
    });

    it('runs without a user namespace when the spec says so', async () => {
      const container = await sandbox.run(guest('id', 'write /made x'), { userns: null });
      assert.equal(container.output(), 'uid=0 gid=0 groups=0\n/made: ok\n');
    });

    it('gives files on disk the owner 0:0 although the program runs as another user of the host', async () => {
      const container = await sandbox.run(guest('write /made x'));
      const made = statSync(`${container.stateDir}/upper/made`);
      assert.deepEqual([made.uid, made.gid], [0, 0]);
    });

    it('becomes a user of the image with his groups and home, and can write to its own stdout again', async () => {
      const steps = guest('id', 'env HOME', 'write /dev/stdout hello');
      const container = await sandbox.run(steps, {}, { user: 'app' });
      assert.equal(
        container.output(),
        'uid=1000 gid=1001 groups=33,1001\nHOME=/home/app\nhello/dev/stdout: ok\n',
      );
    });

    it('finds a program in PATH and makes a missing working directory', async () => {
      const container = await sandbox.run(
        ['guest', 'cwd', ',', 'stat', '/work/deep'],
        {},
        { env: ['PATH=/nowhere:/'], cwd: '/work/deep', user: 'app' },
      );
      assert.match(container.output(), /^\/work\/deep\n\/work\/deep: mode 40755 uid 1000 gid 1001/);
    });

    it('assembles several layers, the topmost first', async () => {
      const top = new GuestRoot();
      top.write('etc/layer', 'top');
      root.write('etc/layer', 'bottom');
      const container = sandbox.container(guest('cat /etc/layer'));
      (container.spec['root'] as { lower: string[] }).lower = [top.path, root.path];
      assert.equal((await container.start()).ok, true);
      await container.finished();
      assert.equal(container.output(), 'top');
      top.remove();
    });

    it('says which command is missing, and which one cannot run', async () => {
      assert.deepEqual(await refused(['nope']), ['exec_not_found', 'command "nope" not found in the image']);
      assert.deepEqual(await refused(['nope'], { init: true }), [
        'exec_not_found',
        'command "nope" not found in the image',
      ]);
      assert.deepEqual(await refused(['/bin/notes']), [
        'exec_not_executable',
        '"/bin/notes" is not executable: permission denied',
      ]);
      assert.deepEqual(await refused(['/bin']), ['exec_not_executable', '"/bin" is a directory']);
      assert.equal((await refused(['/bin/script']))[0], 'exec_not_executable');
      assert.deepEqual(await refused(['/bin/orphan']), [
        'exec_not_found',
        '"/bin/orphan": its interpreter or loader is not in the image',
      ]);
    });

    it('says which user is missing', async () => {
      const missing = await refused(guest('id'), {}, { user: 'bob' });
      assert.deepEqual(missing, ['image_user', 'user "bob" is not in the image\'s /etc/passwd']);
      assert.equal((await refused(guest('id'), {}, { user: '70000' }))[0], 'image_user');
    });

    it('names the bad key of a spec, and leaves nothing of a start that failed half way', async () => {
      assert.deepEqual(await refused(guest('id'), { hostname: 5 }), [
        'bad_request',
        '"hostname" must be a string',
      ]);
      const mounts = [{ type: 'bind', source: '/no/such/folder', target: '/x' }];
      assert.match((await refused(guest('id'), { mounts }))[1], /"\/no\/such\/folder"/);
    });
  });

  describe('walls', () => {
    it('leaves the program no capability beyond the list, no new privileges, and a filter', async () => {
      const container = await sandbox.run(guest('cat /proc/self/status'));
      const status = container.output();
      const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S*)`, 'm').exec(status)?.[1] ?? '';
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.equal(field(set), '00000000000000eb');
      for (const set of ['CapInh', 'CapAmb']) assert.equal(field(set), '0000000000000000');
      assert.deepEqual([field('NoNewPrivs'), field('Seccomp')], ['1', '2']);
    });

    it('gives a user who is not root no capability at all', async () => {
      const container = await sandbox.run(guest('cat /proc/self/status'), {}, { user: 'app' });
      assert.match(container.output(), /^CapEff:\t0000000000000000$/m);
      assert.match(container.output(), /^CapPrm:\t0000000000000000$/m);
    });

    it('refuses the calls that make walls or break them, and answers unknown ones as an old kernel would', async () => {
      const container = await sandbox.run(guest('calls'));
      assert.deepEqual(container.output().trim().split('\n'), [
        'unshare: Operation not permitted',
        'mount: Operation not permitted',
        'clone3: Function not implemented',
        'unknown: Function not implemented',
        'keyctl: Operation not permitted',
        'mknod: Operation not permitted',
      ]);
    });

    it('lets no descriptor through but stdio, whatever the caller had open', async () => {
      const container = await sandbox.run(guest('fds'));
      const lines = container.output().trim().split('\n');
      assert.equal(lines.length, 3);
      assert.match(lines[0] ?? '', /^fd 0 \/dev\/null$/);
      assert.match(lines[1] ?? '', /^fd 1 pipe:/);
      assert.match(lines[2] ?? '', /^fd 2 pipe:/);
    });

    it('refuses a working directory that leads out through a descriptor', async () => {
      for (const cwd of ['/proc/self/fd/7', '/proc/self/cwd', '/proc/1/root'])
        assert.equal((await refused(guest('cwd'), {}, { cwd }))[0], 'bad_request');
    });

    it('hides and protects paths of the kernel', async () => {
      const container = await sandbox.run(
        guest('cat /proc/keys', 'list /sys/firmware', 'write /proc/sys/kernel/hostname x', 'write /sys/x y'),
        { userns: null },
      );
      assert.equal(
        container.output(),
        '/proc/sys/kernel/hostname: Read-only file system\n/sys/x: Read-only file system\n',
      );
    });

    it('shows its own control groups only, read-only', async () => {
      const steps = guest('cat /proc/self/cgroup', 'list /sys/fs/cgroup', 'write /sys/fs/cgroup/x y');
      const container = await sandbox.run(steps, { resources: { pids: 50 } });
      assert.doesNotMatch(container.output(), /berth-test/);
      assert.match(container.output(), /Read-only file system/);
    });

    it('refuses images whose /proc, /dev or /sys is a link', async () => {
      for (const name of ['proc', 'dev', 'sys']) {
        const hostile = new GuestRoot().link(name, '/data');
        const container = sandbox.container(guest('id'));
        (container.spec['root'] as { lower: string[] }).lower = [hostile.path];
        const started = await container.start();
        assert.equal(started.error?.code, 'bad_request');
        assert.match(started.error?.message ?? '', new RegExp(`"/${name}" of the image must be a directory`));
        await container.shimExit;
        assert.deepEqual(leftovers(container), []);
        hostile.remove();
      }
    });

    it('mounts inside the root even where links of the image point out of it', async () => {
      const victim = path.join(sandbox.base, 'victim');
      mkdirSync(victim);
      writeFileSync(path.join(sandbox.base, 'hosts'), 'mounted\n');
      const hostile = new GuestRoot()
        .link('etc/hosts', path.join(victim, 'hosts'))
        .link('data', `../../../..${victim}/data`);
      const container = sandbox.container(guest('cat /etc/hosts', 'write /data/file x'), {
        mounts: [
          { type: 'bind', source: path.join(sandbox.base, 'hosts'), target: '/etc/hosts', readonly: true },
          { type: 'tmpfs', target: '/data' },
        ],
      });
      (container.spec['root'] as { lower: string[] }).lower = [hostile.path];
      assert.equal((await container.start()).ok, true);
      await container.finished();
      assert.equal(container.output(), 'mounted\n/data/file: ok\n');
      assert.deepEqual(readdirSync(victim), []);
      hostile.remove();
    });

    it('refuses a volume on /proc', async () => {
      for (const target of ['/proc', '/proc/sys'])
        assert.equal((await refused(guest('id'), { mounts: [{ type: 'tmpfs', target }] }))[0], 'bad_request');
    });

    it('binds volumes with the owners of the container, read-only where asked', async () => {
      const volume = path.join(sandbox.base, 'volume');
      mkdirSync(volume);
      const mount = { type: 'bind', source: volume, idmap: true };
      const container = await sandbox.run(guest('write /v/a x', 'write /r/b x', 'stat /v/a'), {
        mounts: [
          { ...mount, target: '/v' },
          { ...mount, target: '/r', readonly: true },
        ],
      });
      assert.match(
        container.output(),
        /^\/v\/a: ok\n\/r\/b: Read-only file system\n\/v\/a: mode 100644 uid 0 gid 0/,
      );
      assert.equal(statSync(`${volume}/a`).uid, 0);
    });

    it('shares a network with another container without seeing the links of the host', async () => {
      const first = sandbox.container(guest('sleep 100000'));
      const { pid } = await first.start();
      const network = `/proc/${pid}/ns/net`;
      const second = await sandbox.run(guest('list /sys/class/net', 'write /sys/x y'), {
        namespaces: { net: network },
      });
      assert.equal(second.output(), 'lo\n/sys/x: Read-only file system\n');
    });

    it('refuses to join processes whose /proc it could only show together with the host', async () => {
      const namespaces = { pid: '/proc/1/ns/pid' };
      assert.equal((await refused(guest('id'), { namespaces }))[0], 'unsupported');
    });

    it('keeps a read-only root read-only and a tmpfs on it writable', async () => {
      const container = sandbox.container(guest('write /x y', 'write /tmp/x y'), {
        mounts: [{ type: 'tmpfs', target: '/tmp' }],
      });
      (container.spec['root'] as { readonly: boolean }).readonly = true;
      assert.equal((await container.start()).ok, true);
      await container.finished();
      assert.equal(container.output(), '/x: Read-only file system\n/tmp/x: ok\n');
    });

    it('runs from a sealed copy of its own binary, so that no container can rewrite it', async () => {
      const container = sandbox.container(guest('sleep 100000'), { init: true });
      assert.equal((await container.start()).ok, true);
      const { readlinkSync } = await import('node:fs');
      assert.match(readlinkSync(`/proc/${container.shimPid}/exe`), /^\/memfd:/);
      assert.match(readlinkSync(`/proc/${container.pid}/exe`), /^\/memfd:/);
    });
  });

  describe('limits', () => {
    it('kills a program that takes more memory than it may, and says so', async () => {
      const container = await sandbox.run(guest('memory 64', 'say survived'), {
        resources: { memory: 16 << 20, memorySwap: 16 << 20 },
      });
      const record = await container.finished();
      assert.deepEqual([record['exitCode'], record['signal'], record['oomKilled']], [137, 9, true]);
      assert.doesNotMatch(container.output(), /survived/);
    });

    it('stops forks at the pids limit', async () => {
      const container = await sandbox.run(guest('fork 30'), { resources: { pids: 10 } });
      assert.equal(container.output(), 'forked 9\n');
    });

    it('removes a fork bomb at one kill', async () => {
      const container = sandbox.container(guest('bomb'), { init: true, resources: { pids: 60 } });
      assert.equal((await container.start()).ok, true);
      await sleep(100);
      assert.equal((await container.request({ op: 'kill', signal: 9 }))['ok'], true);
      assert.equal((await container.finished())['exitCode'], 137);
      assert.deepEqual(leftovers(container), []);
    });

    it('sets and updates the limits of the group', async () => {
      const container = sandbox.container(guest('sleep 100000'), {
        resources: { memory: 64 << 20, pids: 20 },
      });
      assert.equal((await container.start()).ok, true);
      const before = await container.request({ op: 'stats' });
      assert.equal(before['memoryLimitBytes'], 64 << 20);
      assert.equal(before['pids'], 1);
      const update = { op: 'update', resources: { memory: 128 << 20, pids: 30 } };
      assert.equal((await container.request(update))['ok'], true);
      assert.equal((await container.request({ op: 'stats' }))['memoryLimitBytes'], 128 << 20);
    });
  });

  describe('life', () => {
    it('reaps orphans and forwards signals as an init, and reports how the program really ended', async () => {
      const container = sandbox.container(guest('pid', 'signal', 'exit 3'), { init: true });
      assert.equal((await container.start()).ok, true);
      while (!container.output().includes('waiting')) await sleep(5);
      assert.equal((await container.request({ op: 'kill', signal: 10 }))['ok'], true);
      assert.equal((await container.finished())['exitCode'], 3);
      assert.equal(container.output(), 'pid 2\nwaiting\ngot 10\n');
      const killed = await sandbox.run(guest('raise 9'), { init: true });
      const record = await killed.finished();
      assert.deepEqual([record['exitCode'], record['signal']], [137, 9]);
    });

    it('answers a wait when the container has ended, with the record', async () => {
      const container = sandbox.container(guest('sleep 100', 'exit 4'));
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      const answer = await connection.request({ op: 'wait' });
      connection.close();
      assert.equal(answer['exitCode'], 4);
      assert.equal(typeof answer['finishedAt'], 'string');
      await container.shimExit;
      assert.deepEqual(leftovers(container), []);
    });

    it('pauses, refuses an exec meanwhile, resumes, and dies of a kill while paused', async () => {
      const container = sandbox.container(guest('sleep 100000'), { init: true });
      assert.equal((await container.start()).ok, true);
      assert.equal((await container.request({ op: 'pause' }))['ok'], true);
      assert.equal((await container.request({ op: 'state' }))['status'], 'paused');
      assert.equal((await container.exec(guest('id'))).reply['ok'], false);
      assert.equal((await container.request({ op: 'resume' }))['ok'], true);
      assert.equal((await container.exec(guest('id'))).reply['ok'], true);
      assert.equal((await container.request({ op: 'pause' }))['ok'], true);
      assert.equal((await container.request({ op: 'kill', signal: 9 }))['ok'], true);
      assert.equal((await container.finished())['exitCode'], 137);
      assert.deepEqual(leftovers(container), []);
    });

    it('outlives the process that started it', async () => {
      const { spawn } = await import('node:child_process');
      const container = sandbox.container(guest('sleep 600', 'say done'));
      writeFileSync(`${container.runDir}/spec.json`, JSON.stringify(container.spec));
      const { shimPath } = await import('./shim-harness.ts');
      const script = `exec 3<"$1" 4>"$2"; "$3" x & wait`;
      const answer = `${container.runDir}/answer`;
      const parent = spawn(
        '/bin/sh',
        ['-c', script, 'sh', `${container.runDir}/spec.json`, answer, shimPath],
        {
          detached: true,
          stdio: 'ignore',
        },
      );
      while (!existsSync(answer) || !readFileSync(answer, 'utf8').includes('\n')) await sleep(5);
      parent.kill('SIGKILL');
      assert.equal((await container.finished())['exitCode'], 0);
      assert.equal(container.output(), 'done\n');
    });

    it('takes its container along when it is killed itself', async () => {
      const container = sandbox.container(guest('sleep 100000'), { init: true });
      const { pid } = await container.start();
      process.kill(container.shimPid, 'SIGKILL');
      await container.shimExit;
      const deadline = Date.now() + 2000;
      while (existsSync(`/proc/${pid}`) && Date.now() < deadline) await sleep(5);
      assert.equal(existsSync(`/proc/${pid}`), false);
      const { rmdirSync, rmSync } = await import('node:fs');
      rmSync(`${container.runDir}/shim.sock`);
      for (const group of leftovers(container)) rmdirSync(group);
    });

    it('starts fifty containers at once and leaves nothing of them', async () => {
      const many = Array.from({ length: 50 }, (_, i) =>
        sandbox.container(guest(`exit ${i}`), { init: i % 2 === 0 }),
      );
      const started = await Promise.all(many.map((container) => container.start()));
      assert.deepEqual(
        started.filter((answer) => !answer.ok),
        [],
      );
      const records = await Promise.all(many.map((container) => container.finished(20000)));
      assert.deepEqual(
        records.map((record) => record['exitCode']),
        many.map((_, i) => i),
      );
      for (const container of many) assert.deepEqual(leftovers(container), []);
    });

    it('answers nonsense on its socket without harm', async () => {
      const container = sandbox.container(guest('sleep 100000'));
      assert.equal((await container.start()).ok, true);
      for (const bytes of ['\xff\xff\xff\xff', '\0\0\0\x02{}', '\0\0\0\x05hello', 'GET / HTTP/1.1\r\n\r\n']) {
        const connection = container.connect();
        connection.socket.end(Buffer.from(bytes, 'latin1'));
        await connection.rest();
        connection.close();
      }
      assert.equal((await container.request({ op: 'dance' }))['ok'], false);
      assert.equal((await container.request({ op: 'kill', signal: 0 }))['ok'], false);
      assert.equal((await container.request({ op: 'resize', rows: 5, cols: 5 }))['ok'], false);
      assert.equal((await container.request({ op: 'state' }))['status'], 'running');
    });
  });

  describe('streams', () => {
    it('misses no byte for an attach that was asked for before the start', async () => {
      const container = sandbox.container(guest('say hello', 'complain oops', 'exit 2'), {
        awaitAttach: true,
      });
      assert.equal((await container.start()).ok, true);
      await sleep(50);
      const connection = container.connect();
      assert.equal((await connection.request({ op: 'attach', stdout: true, stderr: true }))['ok'], true);
      connection.socket.end();
      assert.deepEqual(splitFrames(await connection.rest()), { 1: 'hello\n', 2: 'oops\n' });
      connection.close();
      assert.equal((await container.finished())['exitCode'], 2);
    });

    it('passes stdin on, far more than fits a pipe, and ends it at the half-close', async () => {
      const container = sandbox.container(guest('cat -'), { awaitAttach: true }, { stdin: true });
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      await connection.request({ op: 'attach', stdin: true, stdout: true, stdinOnce: true });
      const sent = 'x'.repeat(700_000);
      connection.socket.end(sent);
      assert.equal(splitFrames(await connection.rest())[1]?.length, sent.length);
      connection.close();
    });

    it('is not slowed down by a client that does not read, and logs everything', async () => {
      const container = sandbox.container(guest('lines 40000 100', 'exit 0'), {
        awaitAttach: true,
        log: { path: '', maxSize: 64 << 20, maxFiles: 2 },
      });
      (container.spec['log'] as { path: string }).path = `${container.stateDir}/log/current`;
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      await connection.request({ op: 'attach', stdout: true, stderr: true });
      connection.socket.pause();
      await container.request({ op: 'wait' });
      connection.close();
      await container.finished();
      assert.equal(container.log().length, 40000);
    });

    it('gives a terminal with its size, a console, and resizes it', async () => {
      const container = sandbox.container(
        guest('tty', 'stat /dev/console', 'signal', 'tty'),
        { awaitAttach: true, init: true },
        { tty: true, stdin: true, rows: 24, cols: 80, user: 'app' },
      );
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      await connection.request({ op: 'attach', stdin: true, stdout: true, stderr: true });
      await connection.contains('waiting');
      assert.equal((await container.request({ op: 'resize', rows: 50, cols: 132 }))['ok'], true);
      const output = (await connection.rest()).toString();
      connection.close();
      assert.match(output, /tty 1 \/dev\/pts\/0 24x80 leader 1\r\n/);
      assert.match(output, /\/dev\/console: mode 20620 uid 1000 gid 5 rdev 136:0\r\n/);
      assert.match(output, /got 28\r\ntty 1 \/dev\/pts\/0 50x132/);
    });

    it('rotates its log and keeps every line', async () => {
      const container = sandbox.container(guest('lines 2000 20'));
      const log = container.spec['log'] as { maxSize: number; maxFiles: number };
      Object.assign(log, { maxSize: 65536, maxFiles: 9 });
      assert.equal((await container.start()).ok, true);
      await container.finished();
      const files = readdirSync(`${container.stateDir}/log`);
      assert.ok(files.length > 2 && files.length <= 9);
      const lines = files.flatMap((file) =>
        readFileSync(`${container.stateDir}/log/${file}`, 'utf8').trim().split('\n'),
      );
      const numbers = lines.map((line) => Number.parseInt((JSON.parse(line) as { log: string }).log, 10));
      assert.deepEqual(
        numbers.sort((a, b) => a - b),
        Array.from({ length: 2000 }, (_, i) => i),
      );
    });
  });

  describe('exec', () => {
    let container: Container;

    before(async () => {
      container = sandbox.container(guest('sleep 100000'), {
        init: true,
        resources: { memory: 64 << 20, pids: 40 },
      });
      assert.equal((await container.start()).ok, true);
    });

    it('runs in the same walls, and reports the exit code behind the output', async () => {
      const { reply, parts } = await container.exec(
        guest('id', 'complain err', 'cat /proc/self/status', 'exit 9'),
      );
      assert.equal(reply['ok'], true);
      assert.match(parts[1] ?? '', /^uid=0 gid=0 groups=0\n/);
      assert.match(parts[1] ?? '', /CapBnd:\t00000000000000eb/);
      assert.match(parts[1] ?? '', /Seccomp:\t2/);
      assert.match(parts[1] ?? '', /NoNewPrivs:\t1/);
      assert.equal(parts[2], 'err\n');
      assert.equal(parts[3], '{"exitCode":9}');
    });

    it('takes its own user, environment and directory', async () => {
      const { parts } = await container.exec(guest('id', 'env A', 'cwd', 'fds'), {
        user: 'app',
        env: ['A=b'],
        cwd: '/tmp',
      });
      assert.match(
        parts[1] ?? '',
        /^uid=1000 gid=1001 groups=33,1001\nA=b\n\/tmp\nfd 0 \/dev\/null\nfd 1 pipe:\[\d+\]\nfd 2 pipe:\[\d+\]\n$/,
      );
    });

    it('says what cannot run, and where it cannot', async () => {
      const codes = async (args: string[], extra = {}): Promise<unknown> =>
        ((await container.exec(args, extra)).reply['error'] as { code: string }).code;
      assert.equal(await codes(['nope']), 'exec_not_found');
      assert.equal(await codes(['/bin/notes']), 'exec_not_executable');
      assert.equal(await codes(guest('id'), { cwd: '/no/such' }), 'bad_request');
      assert.equal(await codes(guest('id'), { cwd: '/proc/self/fd/5' }), 'bad_request');
      assert.equal(await codes(guest('id'), { user: 'bob' }), 'image_user');
    });

    it('slows an exec down to its client instead of losing bytes', async () => {
      const connection = container.connect();
      const request = {
        op: 'exec',
        process: { args: guest('lines 60000 100'), env: [], cwd: '/', user: '' },
      };
      assert.equal((await connection.request(request))['ok'], true);
      connection.socket.pause();
      await sleep(200);
      connection.socket.resume();
      const parts = splitFrames(await connection.rest(20000));
      connection.close();
      assert.equal(parts[1]?.split('\n').length, 60001);
      assert.equal(parts[3], '{"exitCode":0}');
    });

    it('keeps the code of a detached or a terminal exec for a later question', async () => {
      const detached = {
        op: 'exec',
        detach: true,
        process: { args: guest('exit 5'), env: [], cwd: '/', user: '' },
      };
      const first = await container.request(detached);
      assert.equal((await container.request({ op: 'execWait', pid: first['pid'] }))['exitCode'], 5);
      const connection = container.connect();
      const second = await connection.request({
        op: 'exec',
        process: { args: guest('tty', 'exit 6'), env: [], cwd: '/', user: '', tty: true, rows: 10, cols: 20 },
      });
      assert.match((await connection.rest()).toString(), /^tty 1 \/dev\/pts\/\d+ 10x20 leader 1\r\n$/);
      connection.close();
      assert.equal((await container.request({ op: 'execWait', pid: second['pid'] }))['exitCode'], 6);
      assert.equal((await container.request({ op: 'execWait', pid: 1 }))['ok'], false);
    });

    it('counts against the limits of the container', async () => {
      const { parts } = await container.exec(guest('fork 60'));
      assert.match(parts[1] ?? '', /^forked 3[0-9]\n$/);
      await container.request({ op: 'stats' });
    });
  });
});
