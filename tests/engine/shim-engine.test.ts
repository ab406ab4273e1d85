// Shims as the daemon and the real docker CLI see them: slow readers, and shims that are killed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bdt5');
});

after(async () => {
  await engine.close();
});

/** A pipeline of the shell, with `docker` speaking to the engine under test. */
async function shell(command: string): Promise<string> {
  const env = { PATH: process.env['PATH'], HOME: engine.dir, DOCKER_HOST: `unix://${engine.socketPath}` };
  const { stdout } = await promisify(execFile)('sh', ['-c', command], { env, timeout: 60_000 });
  return stdout.trim();
}

test('docker run hands 50 MB to a reader that starts a second late, and loses none of it', async () => {
  const lines = 500_000;
  const digits = Array.from({ length: lines }, (_, i) => `${i}`.length).reduce((sum, n) => sum + n, 0);
  const count = await shell(`docker run --rm guest /guest lines ${lines} 95 | (sleep 1; wc -c)`);
  assert.equal(Number(count), digits + lines * 97);
});

test('docker run -i hands out what a container printed before it ended, while input still flows in', async () => {
  const count = await shell(
    'head -c 50000000 /dev/zero | docker run -i --rm guest /guest lines 20000 95 | (sleep 1; wc -c)',
  );
  assert.equal(Number(count), 88_890 + 20_000 * 97);
});

test('a container whose shim is killed is shown as ended with 137 at once, and its control groups are gone', async () => {
  // Long enough that the shim has moved into the group of all shims.
  const id = await engine.runDetached(['/guest', 'fork', '3', ',', 'sleep', '60000']);
  const { Pid } = (await engine.client.inspectContainer(id)).State;
  await eventually('the shim has its place', () => Promise.resolve(groupsOf('shims').length > 0));
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
  assert.ok(groupsOf(id).length > 0);
  process.kill(shim, 'SIGKILL');
  const killedAt = performance.now();
  const shown = async () => (await engine.client.inspectContainer(id)).State;
  await eventually('the end is shown', async () => (await shown()).Status === 'exited', 2_000);
  assert.equal((await shown()).ExitCode, 137);
  assert.match((await engine.docker(['ps', '-a'])).stdout, /Exited \(137\)/);
  assert.deepEqual(groupsOf(id), []);
  assert.ok(performance.now() - killedAt < 2_000);
  await engine.client.startContainer(id);
  assert.equal((await shown()).Status, 'running');
  await engine.client.removeContainer(id, { force: true });
});

test('a shim that is killed while the daemon is dead leaves an end with 137 and no control groups', async () => {
  const id = await engine.runDetached(['/guest', 'sleep', '60000']);
  const { Pid } = (await engine.client.inspectContainer(id)).State;
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
  await engine.stopDaemon('SIGKILL');
  process.kill(shim, 'SIGKILL');
  await engine.startDaemon();
  const { State } = await engine.client.inspectContainer(id);
  assert.deepEqual([State.Status, State.ExitCode], ['exited', 137]);
  assert.deepEqual(groupsOf(id), []);
  await engine.client.removeContainer(id);
});

/** This engine's control groups of a name, in every hierarchy. */
function groupsOf(name: string): string[] {
  return ['', ...readdirSync('/sys/fs/cgroup')]
    .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, `berth-${engine.name}`, name))
    .filter((dir) => existsSync(dir));
}
