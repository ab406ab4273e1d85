// The supervisor as a user meets it: up, a second up, status, killed parts, a killed supervisor, down; with stand-ins for the parts,
// real PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand, runCommandOk } from '@berth/kit/run-command.ts';
import { makePlatform, repository, type TestPlatform } from '../helpers/platform.ts';

const fakeParts = { BERTH_PARTS: join(repository, 'tests/fixtures/parts') };
const names = [
  'postgres',
  'redis',
  'engine',
  'controller',
  'host-agent',
  'router',
  'scheduler',
  'builder',
  'git-receiver',
];

let platform: TestPlatform;
before(async () => {
  platform = await makePlatform({ env: fakeParts });
});
after(() => platform.down());

const text = (result: { stdout: Buffer; stderr: string }) => result.stdout.toString('utf8') + result.stderr;

async function until(what: string, holds: () => Promise<boolean>, limitMs = 15_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `not within ${limitMs} ms: ${what}`);
    await sleep(100);
  }
}

const answer = async () =>
  (await fetch(`http://127.0.0.1:${platform.httpPort}/`, { headers: { connection: 'close' } })).text();

test('status before the first start says that nothing runs', async () => {
  const result = await platform.status();
  assert.equal(result.state, 'stopped');
});

test('up starts the databases and every part, and says the URLs', async () => {
  const result = await platform.up();
  assert.equal(result.exitCode, 0, text(result));
  assert.match(text(result), new RegExp(`apps +http://NAME\\.localhost:${platform.httpPort}`));
  assert.match(text(result), new RegExp(`API +${platform.apiUrl}`));
  const { parts } = await platform.status();
  assert.deepEqual(
    parts.map(({ name }) => name),
    names,
  );
  assert.deepEqual(
    parts.filter(({ state }) => state !== 'ready'),
    [],
  );
});

test('the key is made once, for root alone', () => {
  const path = join(platform.dataDir, 'keys/config.key');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(Buffer.from(readFileSync(path, 'utf8'), 'base64').length, 32);
});

test('the databases do not run as root', async () => {
  for (const part of ['postgres', 'redis'])
    assert.notEqual(statSync(`/proc/${await platform.pidOf(part)}`).uid, 0, part);
});

test('a second up says that it runs already, and where', async () => {
  const before = await platform.pidOf('supervisor');
  const result = await platform.up();
  assert.equal(result.exitCode, 0);
  assert.match(text(result), /already running/);
  assert.equal(await platform.pidOf('supervisor'), before);
});

test('a port that is taken is named with its holder', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const address = holder.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const other = await makePlatform({ env: { ...fakeParts, BERTH_HTTP_PORT: String(port) } });
  const result = await other.up();
  holder.close();
  await other.down();
  assert.equal(result.exitCode, 1);
  assert.match(
    text(result),
    new RegExp(`port ${port} for apps is taken by .*\\(pid ${process.pid}\\); set BERTH_HTTP_PORT`),
  );
});

test('a killed router refuses no connection: requests wait for the next one', async () => {
  const before = await answer();
  await platform.kill('router');
  const answers = await Promise.all(Array.from({ length: 20 }, answer));
  assert.equal(new Set(answers).size, 1);
  assert.notEqual(answers[0], before);
});

test('every killed part and database is started again', async () => {
  for (const name of names) {
    const before = await platform.pidOf(name);
    await platform.kill(name);
    await until(`${name} is back`, async () => {
      const part = (await platform.status()).parts.find((one) => one.name === name);
      return part?.state === 'ready' && part.pid !== before;
    });
  }
});

test('a part in a crash loop is shown with its last words, and comes back when it can', async () => {
  const mark = join(platform.runDir(), 'die-scheduler');
  writeFileSync(mark, '');
  await platform.kill('scheduler');
  await until('the crash loop is seen', async () => {
    const part = (await platform.status()).parts.find(({ name }) => name === 'scheduler');
    return part?.state === 'crash-loop' && part.lastLines.includes('scheduler was told to die');
  });
  rmSync(mark);
  await until(
    'it is ready',
    async () => {
      const part = (await platform.status()).parts.find(({ name }) => name === 'scheduler');
      return part?.state === 'ready';
    },
    20_000,
  );
});

test('after the supervisor was killed the parts end, the databases live and are adopted', async () => {
  const [postgres, redis, controller] = await Promise.all(
    ['postgres', 'redis', 'controller'].map((name) => platform.pidOf(name)),
  );
  await platform.kill('supervisor');
  await until('the controller has ended', () => Promise.resolve(!isRunning(controller)));
  assert.ok(isRunning(postgres) && isRunning(redis));
  const result = await platform.up();
  assert.equal(result.exitCode, 0, text(result));
  assert.deepEqual([await platform.pidOf('postgres'), await platform.pidOf('redis')], [postgres, redis]);
});

function isRunning(pid: number | undefined): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('down ends everything, also after the supervisor was killed, and a second down has nothing to do', async () => {
  const pids = (await platform.status()).parts.map(({ pid }) => pid ?? 0);
  await platform.kill('supervisor');
  const first = await platform.stop();
  assert.equal(first.exitCode, 0, text(first));
  assert.deepEqual(pids.filter(isRunning), []);
  const second = await platform.stop();
  assert.match(text(second), /nothing was running/);
  assert.ok(existsSync(join(platform.dataDir, 'postgres')));
});

test('up after down finds the same data', async () => {
  const key = readFileSync(join(platform.dataDir, 'keys/config.key'), 'utf8');
  const result = await platform.up();
  assert.equal(result.exitCode, 0, text(result));
  assert.equal(readFileSync(join(platform.dataDir, 'keys/config.key'), 'utf8'), key);
});

test('two platforms run side by side', async () => {
  const other = await makePlatform({ env: fakeParts });
  try {
    const result = await other.up();
    assert.equal(result.exitCode, 0, text(result));
    assert.equal((await platform.status()).state, 'ready');
  } finally {
    await other.down();
  }
  assert.equal((await platform.status()).state, 'ready');
});

test('a data folder that the database user cannot enter is named', async () => {
  const closed = join(platform.home, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  const other = await makePlatform({ env: { ...fakeParts, BERTH_DATA: join(closed, 'data') } });
  const result = await other.up();
  await other.down();
  assert.equal(result.exitCode, 1);
  assert.match(text(result), /the user "berth" cannot enter ".*closed"/);
});

test('a disk that is nearly full is named before anything starts', async () => {
  const small = join(platform.home, 'small');
  mkdirSync(small, { mode: 0o711 });
  await runCommandOk(['mount', '-t', 'tmpfs', '-o', 'size=32m,mode=711', 'small', small]);
  try {
    const other = await makePlatform({ env: { ...fakeParts, BERTH_DATA: join(small, 'data') } });
    const result = await other.up();
    await other.down();
    assert.equal(result.exitCode, 1);
    assert.match(text(result), /the disk of ".*small\/data" has \d+ MB free; 1024 MB are needed/);
  } finally {
    await runCommandOk(['umount', small]);
  }
});

test('without root it says what root is needed for', async () => {
  const other = await makePlatform({ env: fakeParts });
  // The clone may lie where nobody else can read: everything is loaded before the rights are given up.
  const up = join(repository, 'infra/up');
  const script = `
    const { preflight } = await import('${up}/preflight.ts');
    const platform = (await import('${up}/config.ts')).readPlatform();
    process.setuid(65534);
    await preflight(platform).catch((error) => { console.error(error.message); process.exit(1); });`;
  const argv: [string, ...string[]] = [process.execPath, '--input-type=module', '--eval', script];
  const result = await runCommand(argv, { env: other.env });
  await other.down();
  assert.equal(result.exitCode, 1);
  assert.match(text(result), /the platform needs root to run containers/);
});

test('given another PostgreSQL and Redis, it starts none of its own', async () => {
  const urls = { DATABASE_URL: 'postgresql://u@127.0.0.1:1/d', REDIS_URL: 'redis://127.0.0.1:1' };
  const other = await makePlatform({ env: { ...fakeParts, ...urls } });
  try {
    const result = await other.up();
    assert.equal(result.exitCode, 0, text(result));
    const { parts } = await other.status();
    assert.deepEqual(
      parts.map(({ name }) => name),
      names.filter((name) => name !== 'postgres' && name !== 'redis'),
    );
  } finally {
    await other.down();
  }
});

test('only the parts that keep facts are told where the databases are', async () => {
  const told = async (part: string) => readFileSync(`/proc/${await platform.pidOf(part)}/environ`, 'utf8');
  assert.match(await told('controller'), /DATABASE_URL=/);
  for (const part of ['engine', 'host-agent', 'router', 'scheduler', 'builder', 'git-receiver'])
    assert.doesNotMatch(await told(part), /DATABASE_URL=/, part);
  for (const part of ['engine', 'host-agent', 'router', 'git-receiver'])
    assert.doesNotMatch(await told(part), /REDIS_URL=/, part);
});
