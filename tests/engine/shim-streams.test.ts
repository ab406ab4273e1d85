/** The bytes of berth-shim: attach, stdin, terminals, the log, and execs. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Container, frame, guest, leftovers, Sandbox, splitFrames } from './shim-harness.ts';
import { buildRuntime, GuestRoot } from './shim-root.ts';

describe('the streams of berth-shim', { skip: process.getuid?.() === 0 ? false : 'needs root' }, () => {
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

    it('loses nothing to a client that starts reading late: the container waits', async () => {
      const container = sandbox.container(guest('lines 500000 95', 'complain done'), { awaitAttach: true });
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      await connection.request({ op: 'attach', stdout: true, stderr: true });
      connection.socket.pause();
      await sleep(1000);
      assert.equal((await container.request({ op: 'state' }))['status'], 'running');
      assert.deepEqual(await countFrames(connection.release()), {
        1: linesLength(500_000, 95),
        2: 'done\n'.length,
      });
      connection.close();
      assert.equal((await container.finished())['exitCode'], 0);
    });

    it('tells its end at once, and keeps the rest of its output for a reader that comes later', async () => {
      const container = sandbox.container(guest('lines 5000 95', 'sleep 60000'), { awaitAttach: true });
      assert.equal((await container.start()).ok, true);
      const connection = container.connect();
      await connection.request({ op: 'attach', stdout: true, stderr: true });
      connection.socket.pause();
      await sleep(200);
      const waiter = container.connect();
      waiter.socket.write(frame({ id: 1, op: 'wait' }));
      assert.equal((await waiter.request({ op: 'kill', signal: 9 }))['ok'], true);
      assert.equal((await waiter.readFrame())['exitCode'], 137);
      waiter.close();
      await sleep(200);
      assert.deepEqual(await countFrames(connection.release()), { 1: linesLength(5000, 95) });
      connection.close();
      await container.finished();
    });

    it('does not slow down a container that nobody is attached to, and logs everything', async () => {
      const container = sandbox.container(guest('lines 40000 100', 'exit 0'), {
        log: { path: '', maxSize: 64 << 20, maxFiles: 2 },
      });
      (container.spec['log'] as { path: string }).path = `${container.stateDir}/log/current`;
      assert.equal((await container.start()).ok, true);
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

    it('ends with its program even when a child of it goes on writing', async () => {
      const { parts } = await container.exec(['/guest', 'background', 'noise', ',', 'exit', '3']);
      assert.equal(parts[3], '{"exitCode":3}');
      const detached = {
        op: 'exec',
        detach: true,
        process: { args: ['/guest', 'background', 'noise'], env: [], cwd: '/', user: '' },
      };
      const { pid } = await container.request(detached);
      assert.equal((await container.request({ op: 'execWait', pid }))['exitCode'], 0);
      assert.equal((await container.request({ op: 'state' }))['status'], 'running');
    });

    it('counts against the limits of the container', async () => {
      const { parts } = await container.exec(guest('fork 60'));
      assert.match(parts[1] ?? '', /^forked 3[0-9]\n$/);
      await container.request({ op: 'stats' });
    });
  });
});

/** The bytes of "0 xxx…", "1 xxx…", … as the guest prints them. */
function linesLength(count: number, length: number): number {
  return Array.from({ length: count }, (_, i) => `${i}`.length + length + 2).reduce((sum, n) => sum + n, 0);
}

/** Reads a stream to its end and counts the payload bytes of each type, without keeping them. */
async function countFrames(socket: Socket): Promise<Record<number, number>> {
  const counts: Record<number, number> = {};
  let header = Buffer.alloc(0);
  let left = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        const type = header.readUInt8(0);
        counts[type] = (counts[type] ?? 0) + taken;
        left -= taken;
        at += taken;
        if (left === 0) header = Buffer.alloc(0);
        continue;
      }
      const part = chunk.subarray(at, at + 8 - header.length);
      header = Buffer.concat([header, part]);
      at += part.length;
      if (header.length === 8) left = header.readUInt32BE(4);
    }
  }
  return counts;
}
