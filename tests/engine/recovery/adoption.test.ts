// What a new daemon finds: shims that answer late, starts and commits that were under way, a hundred starts at once. Whoever lives is adopted.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { eventually } from '../engine-harness.ts';
import { RecoveryWorld, shimPids } from './recovery-world.ts';

let world: RecoveryWorld;

before(async () => {
  world = await RecoveryWorld.open('bra1');
});
after(() => world.close());
afterEach(async ({ name }) => {
  const own = await world.docker('ps', '-aq', '-f', 'label=t');
  if (own !== '') await world.docker('rm', '-f', ...own.split('\n'));
  await world.checkWhole(name);
});

const sleeper = ['--label', 't', 'guest', '/guest', 'sleep', '60000'];

test('a container whose shim does not answer is adopted all the same, and heard of when the shim answers again', async () => {
  const id = await world.docker('run', '-d', ...sleeper);
  const before = await world.stateOf(id);
  const shim = await world.shimOf(id);
  process.kill(shim, 'SIGSTOP');
  try {
    await world.restartDaemon();
    const now = await world.stateOf(id);
    assert.deepEqual([now.Status, now.Pid, now.StartedAt], ['running', before.Pid, before.StartedAt]);
  } finally {
    process.kill(shim, 'SIGCONT');
  }
  assert.equal(await world.docker('exec', id, '/guest', 'say', 'here'), 'here');
  await world.docker('stop', '-t', '0', id);
  assert.equal((await world.stateOf(id)).ExitCode, 137);
});

test('a start that hangs when the daemon is killed is ended by the next daemon, and never goes on behind its back', async () => {
  const id = await world.docker('create', ...sleeper);
  const starting = world.engine.docker(['start', id]);
  await eventually('the shim is there', async () => {
    const [shim] = shimPids(id);
    if (shim !== undefined) process.kill(shim, 'SIGSTOP');
    return shim !== undefined;
  });
  const held = shimPids(id);
  await world.engine.stopDaemon('SIGKILL');
  await starting;
  await world.engine.startDaemon();
  for (const pid of held) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGCONT');
  const { Status } = await world.stateOf(id);
  if (Status === 'running') assert.equal(await world.docker('exec', id, '/guest', 'say', 'x'), 'x');
  else assert.deepEqual(shimPids(id), []);
});

test('a start that hangs when the helper is killed comes to an end, one way or the other', async () => {
  const id = await world.docker('create', ...sleeper);
  const starting = world.engine.docker(['start', id]);
  let held = 0;
  await eventually('the shim is there', async () => {
    held = shimPids(id)[0] ?? 0;
    if (held > 0) process.kill(held, 'SIGSTOP');
    return held > 0;
  });
  process.kill(world.engine.helperPid, 'SIGKILL');
  process.kill(held, 'SIGCONT');
  const { code, stderr } = await starting;
  const { Status } = await world.stateOf(id);
  assert.equal(Status, code === 0 ? 'running' : 'created', stderr);
});

test('a container that a commit held still goes on when the daemon was killed in the middle', async () => {
  const id = await world.docker('run', '-d', '--label', 't', 'guest', '/net', 'echo', '7000');
  const upper = join(world.engine.root, 'containers', id, 'upper');
  writeFileSync(join(upper, 'big'), Buffer.alloc(48_000_000, 'x'));
  const committing = world.engine.docker(['commit', id, 'never']);
  await eventually('it stands still', async () => isFrozen(id));
  await world.restartDaemon();
  assert.notEqual((await committing).code, 0);
  assert.equal((await world.stateOf(id)).Status, 'running');
  assert.equal(isFrozen(id), false);
  await world.docker('pause', id);
  await world.restartDaemon();
  assert.equal((await world.stateOf(id)).Status, 'paused', 'what its user paused stays so');
});

function isFrozen(id: string): boolean {
  const group = `berth-${world.engine.name}/${id}`;
  const file = existsSync('/sys/fs/cgroup/freezer')
    ? `/sys/fs/cgroup/freezer/${group}/freezer.state`
    : `/sys/fs/cgroup/${group}/cgroup.freeze`;
  return /FROZEN|FREEZING|1/.test(readFileSync(file, 'utf8'));
}

test('daemon, helper, berth-dns and some shims killed at the same moment: whoever lost its shim has ended, or runs again, and nobody else noticed', async () => {
  const policies = ['no', 'always', 'no', 'no', 'always', 'no'];
  const ids = await Promise.all(
    policies.map((policy) => world.docker('run', '-d', '--restart', policy, '--init', ...sleeper)),
  );
  const pids = await Promise.all(ids.map(async (id) => (await world.stateOf(id)).Pid));
  const killed = await Promise.all(ids.slice(0, 3).map((id) => world.shimOf(id)));
  const daemon = world.engine.stopDaemon('SIGKILL');
  for (const pid of [world.engine.helperPid, ...world.dnsPids(), ...killed]) process.kill(pid, 'SIGKILL');
  await daemon;
  await world.engine.startDaemon();
  for (const at of [3, 4, 5]) {
    const { Status, Pid } = await world.stateOf(ids[at] ?? '');
    assert.deepEqual([Status, Pid], ['running', pids[at]]);
  }
  for (const at of [0, 2]) {
    const { Status, ExitCode, FinishedAt } = await world.stateOf(ids[at] ?? '');
    assert.deepEqual([Status, ExitCode], ['exited', 137]);
    assert.ok(Date.now() - Date.parse(FinishedAt) < 60_000);
  }
  await eventually('the policy applies', async () => {
    const { Status, Pid } = await world.stateOf(ids[1] ?? '');
    return Status === 'running' && Pid !== pids[1];
  });
});

test('a hundred starts at once, with the helper and then the daemon killed in the middle: each runs and is known, or does not run', async () => {
  const ids = await Promise.all(Array.from({ length: 100 }, () => create()));
  const results = ids.map((id) =>
    world.engine.client.startContainer(id).then(
      () => id,
      () => '',
    ),
  );
  await Promise.any(results.map((one) => one.then((id) => (id === '' ? Promise.reject(new Error()) : id))));
  process.kill(world.engine.helperPid, 'SIGKILL');
  await eventually('the helper is back', async () => world.engine.helperPid > 0);
  await world.restartDaemon();
  const started = (await Promise.all(results)).filter((id) => id !== '');
  const running = (await world.engine.client.listContainers({ all: false })).map(({ Id }) => Id);
  for (const id of started) assert.ok(running.includes(id), `${id} was started and does not run`);
  await world.checkWhole('a hundred starts');
  await Promise.all(ids.map((id) => world.engine.client.startContainer(id)));
  assert.equal((await world.engine.client.listContainers({ all: false })).length, 101);
});

function create(): Promise<string> {
  const more = { Labels: { t: '' } } as object;
  return world.engine.client.createContainer({ Image: 'guest', Cmd: ['/guest', 'sleep', '60000'], ...more });
}
