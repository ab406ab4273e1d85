// Shims as the daemon and the real docker CLI see them: slow readers, and shims that are killed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { TestEngine } from './engine-harness.ts';

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
