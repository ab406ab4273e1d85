/** What berth-shim starts, refuses to start, and lives through: run by hand with a static guest. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, guest, isAlive, leftovers, refusal, Sandbox, shimPath } from './shim-harness.ts';
import { buildRuntime, GuestRoot } from './shim-root.ts';

describe('berth-shim', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
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

  const refused = (command: string[], overrides = {}, extra = {}): Promise<[string, string]> =>
    refusal(sandbox.container(command, overrides, extra));

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

    describe('mount points', () => {
      const mounts = [
        { type: 'tmpfs', target: '/cache/deep/er', mode: 755 },
        { type: 'tmpfs', target: '/data', mode: 755 },
        { type: 'tmpfs', target: '/etc/over', mode: 755 },
        { type: 'bind', source: '/etc/passwd', target: '/etc/hosts', readonly: true },
      ];
      const upper = (container: Container): string[] =>
        readdirSync(`${container.stateDir}/upper`, { recursive: true }).map(String).sort();

      it('that the image lacks are taken away again at the end, and nothing else is', async () => {
        const container = await sandbox.run(guest('write /made x'), { mounts });
        assert.equal(container.output(), '/made: ok\n');
        assert.deepEqual(upper(container), ['made']);
      });

      it('stay where the program wrote beside them', async () => {
        const steps = guest('write /cache/own x', 'write /etc/own x', 'write /cache/deep/er/gone x');
        const container = await sandbox.run(steps, { mounts });
        assert.deepEqual(upper(container), ['cache', 'cache/own', 'etc', 'etc/own']);
      });

      it('are gone after a start that failed', async () => {
        const container = sandbox.container(['/nope'], { mounts });
        assert.equal((await refusal(container))[0], 'exec_not_found');
        assert.deepEqual(upper(container), []);
      });
    });

    it('says which command is missing, and which one cannot run', async () => {
      assert.deepEqual(await refused(['nope']), [
        'exec_not_found',
        'exec: "nope": executable file not found in $PATH',
      ]);
      assert.deepEqual(await refused(['nope'], { init: true }), [
        'exec_not_found',
        'exec: "nope": executable file not found in $PATH',
      ]);
      assert.deepEqual(await refused(['/bin/notes']), [
        'exec_not_executable',
        'exec: "/bin/notes": permission denied',
      ]);
      assert.deepEqual(await refused(['/bin']), ['exec_not_executable', 'exec: "/bin": is a directory']);
      assert.equal((await refused(['/bin/script']))[0], 'exec_not_executable');
      assert.deepEqual(await refused(['/bin/orphan']), [
        'exec_not_found',
        '"/bin/orphan": its interpreter or loader is not in the image',
      ]);
    });

    it('says which user is missing', async () => {
      const missing = await refused(guest('id'), {}, { user: 'bob' });
      assert.deepEqual(missing, [
        'image_user',
        'unable to find user bob: no matching entries in passwd file',
      ]);
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

    it('starts again in the same folders, with the files it had and without the old record', async () => {
      const container = await sandbox.run(guest('write /kept x', 'exit 1'));
      container.spec['process'] = { args: guest('stat /kept', 'signal'), env: [], cwd: '/', user: '' };
      assert.equal((await container.start()).ok, true);
      assert.equal(existsSync(`${container.stateDir}/exit.json`), false);
      await container.stop();
      assert.equal((await container.finished())['exitCode'], 137);
      assert.match(container.output(), /\/kept: ok\n\/kept: mode 100644 uid 0 gid 0/);
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
      const container = sandbox.container(guest('sleep 600', 'say done'));
      writeFileSync(`${container.runDir}/spec.json`, JSON.stringify(container.spec));
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

    it('lives in a control group apart from its starter, and leaves none behind', async () => {
      const container = sandbox.container(guest('sleep 100000'));
      assert.equal((await container.start()).ok, true);
      const wanted = `:/berth-test-${process.pid}/shims`;
      const groups = (): string[] => {
        const all = readFileSync(`/proc/${container.shimPid}/cgroup`, 'utf8').trim().split('\n');
        const controllers = all.filter((line) => /^\d+:(memory|cpu|pids):/.test(line));
        return controllers.length > 0 ? controllers : all;
      };
      const isSettled = (): boolean => groups().every((line) => line.endsWith(wanted));
      for (let round = 0; round < 100 && !isSettled(); round++) await sleep(20);
      assert.ok(isSettled(), groups().join('\n'));
      assert.equal((await container.exec(guest('exit 3'))).parts[3], '{"exitCode":3}');
      await container.request({ op: 'kill', signal: 9 });
      await container.finished();
      const found = ['', ...readdirSync('/sys/fs/cgroup')]
        .map((name) => `/sys/fs/cgroup/${name}/berth-test-${process.pid}/shims`)
        .filter((folder) => existsSync(folder) && readFileSync(`${folder}/cgroup.procs`, 'utf8') === '');
      assert.deepEqual(found, []);
    });

    it('takes its container along when it is killed itself', async () => {
      const container = sandbox.container(guest('sleep 100000'), { init: true });
      const { pid } = await container.start();
      process.kill(container.shimPid, 'SIGKILL');
      await container.shimExit;
      const deadline = Date.now() + 2000;
      while (isAlive(pid) && Date.now() < deadline) await sleep(5);
      assert.equal(isAlive(pid), false);
      rmSync(`${container.runDir}/shim.sock`);
      for (const group of leftovers(container)) rmdirSync(group);
    });

    it('leaves no process behind when it is killed in the middle of a start', async () => {
      for (let step = 0; step < 16; step++) {
        const container = sandbox.container(guest('sleep 100000'), { init: step % 2 === 0 });
        const answer = container.start().catch(() => null);
        const until = performance.now() + 1 + step * 0.7;
        while (performance.now() < until) await sleep(0);
        process.kill(container.shimPid, 'SIGKILL');
        await answer;
        await container.shimExit;
        rmSync(`${container.runDir}/shim.sock`, { force: true });
        const deadline = Date.now() + 5000;
        const groups = (): string[] =>
          leftovers(container).filter((left) => left.startsWith('/sys/fs/cgroup'));
        const living = (): string =>
          groups()
            .map((group) => readFileSync(`${group}/cgroup.procs`, 'utf8'))
            .join('');
        while (living() && Date.now() < deadline) await sleep(10);
        assert.equal(living(), '');
        for (const group of groups()) rmdirSync(group);
      }
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
});
