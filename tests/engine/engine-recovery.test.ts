// Killing the daemon or the helper, at any moment, ends no container and loses none.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start('bdt2');
});

after(async () => {
  await engine.close();
});

const stateOf = async (id: string) => (await engine.client.inspectContainer(id)).State;

async function crashAndRestart(): Promise<void> {
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
}

test('containers run on while the daemon is dead, and the next daemon adopts them with address, pid and log', async () => {
  const id = await engine.runDetached(['/net', 'listen', '9000', 'hi']);
  const before = await engine.client.inspectContainer(id);
  await crashAndRestart();
  const now = await engine.client.inspectContainer(id);
  assert.equal(now.State.Status, 'running');
  assert.equal(now.State.Pid, before.State.Pid);
  assert.equal(now.State.StartedAt, before.State.StartedAt);
  assert.equal(now.NetworkSettings.IPAddress, before.NetworkSettings.IPAddress);
  assert.equal(await engine.output(id), 'listening\n');
  assert.equal((await engine.docker(['exec', id, '/guest', 'say', 'still here'])).stdout, 'still here\n');
  const other = await engine.runDetached(['/guest', 'sleep', '60000']);
  assert.notEqual(await engine.addressOf(other), before.NetworkSettings.IPAddress);
  for (const one of [id, other]) await engine.client.removeContainer(one, { force: true });
});

test('an end that nobody saw is found with its code and time, and its waiters are told', async () => {
  const id = await engine.runDetached(['/guest', 'sleep', '300', ',', 'exit', '9']);
  await engine.stopDaemon('SIGKILL');
  await sleep(600);
  await engine.startDaemon();
  assert.deepEqual(await engine.client.waitContainer(id), { exitCode: 9 });
  const { FinishedAt } = await stateOf(id);
  assert.ok(Date.now() - Date.parse(FinishedAt) < 5_000);
  await engine.client.removeContainer(id);
});

test('a container whose shim was killed is ended with 137 and its processes with it', async () => {
  const id = await engine.runDetached(['/guest', 'fork', '3', ',', 'sleep', '60000']);
  const { Pid } = await stateOf(id);
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))?.[1]);
  process.kill(shim, 'SIGKILL');
  assert.equal((await engine.client.waitContainer(id)).exitCode, 137);
  await eventually('pid 1 is gone', () => Promise.resolve(!isAlive(Pid)));
  await engine.client.removeContainer(id);
});

test('killing the helper under load fails a start with "try again" at most, and loses no container', async () => {
  const results: string[] = [];
  const worker = async () => {
    for (let round = 0; round < 12; round++) {
      const id = await engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'sleep', '60000'] });
      try {
        await engine.client.startContainer(id);
        results.push(id);
      } catch (error) {
        assert.match(String(error), /went away|restarted|not running|cannot reach/);
        assert.notEqual((await stateOf(id)).Status, 'running');
        await engine.client.removeContainer(id, { force: true });
      }
      await sleep(10);
    }
  };
  const killer = async () => {
    for (let round = 0; round < 5; round++) {
      await sleep(120);
      if (engine.helperPid > 0) process.kill(engine.helperPid, 'SIGKILL');
    }
  };
  await Promise.all([worker(), worker(), worker(), killer()]);
  assert.ok(results.length > 5, `only ${results.length} starts succeeded`);
  await eventually('all that were started run', async () => {
    const running = (await engine.client.listContainers({ all: false })).map(({ Id }) => Id);
    return results.every((id) => running.includes(id)) && running.length === results.length;
  });
  for (const id of results) assert.ok(isAlive((await stateOf(id)).Pid));
  await eventually('the helper is back', () => Promise.resolve(engine.helperPid > 0));
  await Promise.all(results.map((id) => engine.client.removeContainer(id, { force: true })));
});

test('killing the daemon under load leaves each container either running and known, or not started', async () => {
  const known = new Set<string>();
  const started = new Set<string>();
  const worker = async () => {
    for (let round = 0; round < 20; round++) {
      try {
        const id = await engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'sleep', '60000'] });
        known.add(id);
        await engine.client.startContainer(id);
        started.add(id);
      } catch {
        await sleep(30); // the daemon is down: that is the point
      }
    }
  };
  const killer = async () => {
    for (let round = 0; round < 3; round++) {
      await sleep(250);
      await crashAndRestart();
    }
  };
  await Promise.all([worker(), worker(), killer()]);
  for (const id of started) assert.equal((await stateOf(id)).Status, 'running', `${id} was lost`);
  for (const { Id, State } of await engine.client.listContainers()) {
    const pid = (await stateOf(Id)).Pid;
    assert.equal(isAlive(pid), State === 'running');
  }
  const all = (await engine.client.listContainers()).map(({ Id }) => Id);
  for (const id of known) assert.ok(all.includes(id), `${id} was acknowledged and is gone`);
  assert.equal(countGuests(), (await engine.client.listContainers({ all: false })).length);
  await Promise.all(all.map((id) => engine.client.removeContainer(id, { force: true })));
});

test('after a reboot every container is ended, layers that were not synced are gone, and restart policies apply', async () => {
  const plain = await engine.runDetached(['/guest', 'sleep', '60000']);
  const wanted = await engine.runDetached(['/guest', 'sleep', '60000'], {
    HostConfig: { RestartPolicy: { Name: 'unless-stopped' } } as object,
  });
  const pids = [(await stateOf(plain)).Pid, (await stateOf(wanted)).Pid];
  await eventually('the layer is marked durable', () => Promise.resolve(isDurable()));
  await engine.stopDaemon('SIGKILL');
  // A reboot, as the engine sees it: no process, no RUN folder, another boot id.
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await eventually('all processes are gone', () => Promise.resolve(pids.every((pid) => !isAlive(pid))));
  await sleep(300);
  if (engine.helperPid > 0) process.kill(engine.helperPid, 'SIGKILL');
  rmSync(engine.run, { recursive: true, force: true });
  for (const id of [plain, wanted]) rmSync(join(engine.root, 'containers', id, 'exit.json'), { force: true });
  writeFileSync(join(engine.root, 'boot-id'), 'an earlier boot');
  await engine.startDaemon();
  assert.equal((await stateOf(plain)).Status, 'exited');
  await eventually('the wanted one runs again', async () => (await stateOf(wanted)).Status === 'running');
  assert.ok(await engine.client.inspectImage('guest'));
  for (const id of [plain, wanted]) await engine.client.removeContainer(id, { force: true });
});

test('two engines on one host do not touch each other', async () => {
  const mine = await engine.runDetached(['/guest', 'sleep', '60000']);
  const other = await TestEngine.start('bdt3');
  try {
    const theirs = await other.runDetached(['/guest', 'sleep', '60000']);
    assert.notEqual(
      (await engine.addressOf(mine)).split('.')[1],
      (await other.addressOf(theirs)).split('.')[1],
    );
  } finally {
    await other.close();
  }
  assert.equal((await stateOf(mine)).Status, 'running');
  await engine.client.removeContainer(mine, { force: true });
});

function isDurable(): boolean {
  const mark = join(engine.root, 'layers', engine.layer.slice('sha256:'.length), 'durable');
  try {
    readFileSync(mark);
    return true;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  if (pid <= 0) return false;
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Processes in this engine's control groups. */
function countGuests(): number {
  return engine.cgroupProcesses().length;
}
