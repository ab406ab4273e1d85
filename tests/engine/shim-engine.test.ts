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

/** The names in a layer, as its tar has them. */
async function namesIn(diffId: string): Promise<string[]> {
  const url = `http://engine/berth/layers/${diffId}/tar`;
  return (await shell(`curl -sf --unix-socket ${engine.socketPath} ${url} | tar -t`)).split('\n');
}

const writing = ['/guest', 'write', '/etc/made', 'x', ',', 'sleep', '60000'];
const volumes = { HostConfig: { Tmpfs: { '/cache/deep': '' } } } as object;

test('a layer made of a container holds what it wrote, and no place that something was mounted on', async () => {
  const id = await engine.runDetached(writing, volumes);
  await eventually('it has written', async () => (await engine.output(id)).includes('made'));
  await engine.client.killContainer(id);
  await engine.client.waitContainer(id);
  const { diffId } = await engine.client.commitLayer(id, { mtime: 0 });
  assert.deepEqual(await namesIn(diffId), ['etc/', 'etc/made']);
  await engine.client.removeContainer(id);
});

test('docker commit of a running container leaves out what the engine mounts in every container', async () => {
  const id = await engine.runDetached(writing, volumes);
  await eventually('it has written', async () => (await engine.output(id)).includes('made'));
  const { stdout, stderr } = await engine.docker(['commit', id, 'committed']);
  assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/, stderr);
  const layers = await shell(`docker image inspect -f '{{join .RootFS.Layers " "}}' committed`);
  // As with Docker, the place of a volume is part of what `docker commit` takes.
  assert.deepEqual(await namesIn(layers.split(' ').at(-1) ?? ''), [
    'cache/',
    'cache/deep/',
    'etc/',
    'etc/made',
  ]);
  await engine.client.removeContainer(id, { force: true });
  await engine.docker(['rmi', 'committed']);
});

/** This engine's control groups of a name, in every hierarchy. */
function groupsOf(name: string): string[] {
  return ['', ...readdirSync('/sys/fs/cgroup')]
    .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, `berth-${engine.name}`, name))
    .filter((dir) => existsSync(dir));
}
