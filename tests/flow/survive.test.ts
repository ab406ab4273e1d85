// Apps outlive every process of the platform, and a machine that starts anew brings everything back.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeApp, serverFiles, serverSource, startLoad, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'lasting', serverFiles('one'));
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
});
after(() => platform?.down());

const instanceId = async () =>
  (JSON.parse((await app.until((answer) => answer.status === 200)).body) as { id: string }).id;

test('ten pushes in a row under 200 requests a second fail none of them', async () => {
  const load = startLoad(platform.httpPort, 'lasting', 200);
  try {
    for (let i = 0; i < 10; i++) {
      await app.commit({ 'server.js': serverSource(`load-${i}`) });
      const pushed = await app.push();
      assert.equal(pushed.exitCode, 0, pushed.output);
    }
  } finally {
    await load.stop();
  }
  assert.deepEqual(load.failed.slice(0, 5), [], `${load.failed.length} of ${load.sent} failed`);
  assert.ok(load.releases.size >= 10, `saw ${[...load.releases].join(' ')}`);
});

for (const part of ['controller', 'scheduler', 'builder', 'git-receiver', 'host-agent', 'engine']) {
  test(`SIGKILL of the ${part} fails no request and the platform works on`, async () => {
    const before = await instanceId();
    const load = startLoad(platform.httpPort, 'lasting', 50);
    await platform.kill(part);
    await sleep(3000);
    await load.stop();
    assert.deepEqual(load.failed.slice(0, 5), [], `${load.failed.length} of ${load.sent} failed`);
    assert.equal(await instanceId(), before, 'the same instance goes on');
    await app.commit({ 'server.js': serverSource(`after-${part}`) });
    const pushed = await app.push();
    assert.equal(pushed.exitCode, 0, pushed.output);
    assert.match((await app.get()).body, new RegExp(`after-${part}`));
  });
}

test('SIGKILL of the router costs a moment at most; then it serves from its last table', async () => {
  const before = await instanceId();
  await platform.kill('router');
  assert.equal(await instanceId(), before);
});

test('SIGKILL of every process of the platform at once leaves the app running; started again, it adopts it', async () => {
  const before = await instanceId();
  const status = await platform.status();
  process.kill(status.pid, 'SIGKILL');
  for (const part of status.parts) if (part.pid) killQuietly(part.pid);
  await sleep(1500);
  const up = await platform.up();
  assert.equal(up.exitCode, 0, up.stderr);
  assert.equal(await instanceId(), before, 'adopted, not restarted');
  await app.commit({ 'server.js': serverSource('after-all') });
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
});

test('after a reboot everything comes back by itself', async () => {
  assert.equal((await platform.berth(['config:set', 'GREETING=again', '-a', 'lasting'])).exitCode, 0);
  await crashLikeAReboot();
  const up = await platform.up();
  assert.equal(up.exitCode, 0, up.stderr);
  const answer = await app.until((found) => found.status === 200, 60_000);
  assert.match(answer.body, /"version":"after-all".*"greeting":"again"/);
});

/** What a power cut leaves: no process, nothing in the run folder but an old boot's id. */
async function crashLikeAReboot(): Promise<void> {
  const status = await platform.status();
  const runDir = platform.runDir();
  const containers = join(runDir, 'engine/containers');
  process.kill(status.pid, 'SIGKILL');
  for (const part of status.parts) if (part.pid) killQuietly(part.pid);
  for (const pid of processesNaming(runDir)) killQuietly(pid);
  // A name with a dot is a container that is being removed: its processes have ended.
  for (const id of readdirSync(containers).filter((name) => !name.startsWith('.'))) {
    const state = JSON.parse(readFileSync(join(containers, id, 'state.json'), 'utf8')) as {
      pid?: number;
      shimPid?: number;
    };
    for (const pid of [state.shimPid, state.pid]) if (pid) killQuietly(pid);
  }
  await sleep(1000);
  rmSync(runDir, { recursive: true, force: true });
}

function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false; // it has just ended
      }
    })
    .map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
