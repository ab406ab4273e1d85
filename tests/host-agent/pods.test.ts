// What the host agent does with pods, over an engine in memory: start, readiness, crashes, stops, adoption, orphans.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentBench, makePod, oneOff, until } from './agent-bench.ts';
import { FakeEngine } from './fake-engine.ts';

async function bench(
  t: TestContext,
  engine = new FakeEngine(),
): Promise<{ engine: FakeEngine; agent: AgentBench }> {
  const agent = new AgentBench(engine.asEngine);
  t.after(async () => {
    engine.isAway = false;
    await agent.kill();
    engine.close();
  });
  await agent.pods.findContainers();
  return { engine, agent };
}

test('a web pod is reported ready with its address soon after it listens', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '50'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  assert.deepEqual(agent.states('i1'), ['starting', 'ready']);
  const ready = agent.last('i1');
  assert.equal(ready?.address, engine.running()[0]?.address);
  assert.equal(ready?.port, 15999);
  assert.equal(ready?.restarts, 0);
});

test('config vars reach the container as environment and nothing else', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '0'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  const [container] = engine.running();
  assert.ok(container);
  assert.ok(container.body.Env?.includes('SECRET=canary'));
  const { Env: _env, ...rest } = container.body;
  assert.ok(!JSON.stringify({ rest, name: container.name }).includes('canary'));
});

test('an app that crashes is restarted, and each crash is reported with its last words', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['exit', '3'])] });
  await until(() => (agent.last('i1')?.restarts ?? 0) >= 3);
  const crash = agent.reports.find((report) => report.state === 'crashed');
  assert.equal(crash?.exitCode, 3);
  assert.equal(crash?.message, 'exited with code 3');
  assert.equal(crash?.tail, 'exiting with 3');
  assert.ok(engine.starts >= 3);
});

test('memory that runs out is called by its name', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '0'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  engine.exit(engine.running()[0]?.id ?? '', 137, true);
  await until(() => agent.last('i1')?.restarts === 1);
  const crash = agent.reports.find((report) => report.state === 'crashed');
  assert.equal(crash?.message, 'was killed: out of memory (64 MB)');
  await until(() => agent.last('i1')?.state === 'ready');
});

test('an app that never listens fails with a sentence that says so, and keeps it until it is ready', async (t) => {
  const { agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['silent'])] });
  await until(() => agent.last('i1')?.fatal === 'boot_timeout');
  assert.match(
    agent.last('i1')?.message ?? '',
    /^does not listen on any port after 1 s; it must listen on 0.0.0.0:15999/,
  );
  await until(() => agent.last('i1')?.state === 'starting');
  assert.equal(agent.last('i1')?.fatal, 'boot_timeout');
});

test('an image that the host does not have is fatal', async (t) => {
  const { agent } = await bench(t);
  const pod = makePod('i1', ['serve', '0'], { image: 'sha256:missing' });
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => agent.last('i1')?.fatal === 'image_missing');
});

test('a worker is ready when it has run for a while', async (t) => {
  const { agent } = await bench(t);
  const readiness = { kind: 'running' as const, stableMs: 500 };
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['sleep'], { readiness })] });
  await sleep(30);
  assert.equal(agent.last('i1')?.state, 'starting');
  await until(() => agent.last('i1')?.state === 'ready');
});

test('a pod that is to stop gets SIGTERM and is reported stopped when it has ended', async (t) => {
  const { engine, agent } = await bench(t);
  const pod = makePod('i1', ['serve', '0']);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => agent.last('i1')?.state === 'ready');
  agent.pods.applyUpdate({ revision: 2, set: [{ ...pod, desired: 'stopped' }], remove: [] });
  await until(() => agent.last('i1')?.state === 'stopped');
  assert.equal(engine.running().length, 0);
  assert.deepEqual([...engine.containers.values()][0]?.signals, ['SIGTERM']);
});

test('a pod that is to stop while it starts is stopped too', async (t) => {
  const { engine, agent } = await bench(t);
  const pod = makePod('i1', ['serve', '500']);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  agent.pods.applyUpdate({ revision: 2, set: [{ ...pod, desired: 'stopped' }], remove: [] });
  await until(() => agent.last('i1')?.state === 'stopped');
  await sleep(20);
  assert.equal(engine.running().length, 0);
});

test('a pod that is to stop and was never heard of is reported stopped at once', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({
    revision: 1,
    full: true,
    pods: [makePod('i1', ['serve', '0'], { desired: 'stopped' })],
  });
  assert.equal(agent.last('i1')?.state, 'stopped');
  assert.equal(engine.starts, 0);
});

test('a one-off is reported with its exit code and never runs twice', async (t) => {
  const { engine, agent } = await bench(t);
  const pod = makePod('r1', ['exit', '4'], oneOff);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => agent.last('r1')?.state === 'stopped');
  assert.equal(agent.last('r1')?.exitCode, 4);
  assert.equal(agent.last('r1')?.tail, 'exiting with 4');
  await agent.kill();
  const { agent: second } = await bench(t, engine);
  second.pods.applyDisk([pod]);
  second.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => second.last('r1')?.state === 'stopped');
  assert.equal(second.last('r1')?.exitCode, 4);
  assert.equal(engine.starts, 1);
});

test('a one-off on disk that left no container is not run before the controller asks for it', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyDisk([makePod('r1', ['exit', '0'], oneOff)]);
  await sleep(20);
  assert.equal(engine.starts, 0);
});

test('an agent that is killed and comes back adopts its pods and never calls a serving one unready', async (t) => {
  const { engine, agent } = await bench(t);
  const pod = makePod('i1', ['serve', '0']);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => agent.last('i1')?.state === 'ready');
  await agent.kill();
  assert.equal(engine.running().length, 1);
  const { agent: second } = await bench(t, engine);
  second.pods.applyDisk([pod]);
  second.pods.applyUpdate({ revision: 9, full: true, pods: [pod] });
  await second.pods.settled();
  assert.equal(second.pods.observed()[0]?.state, 'ready');
  assert.equal(engine.starts, 1);
});

test('without any controller the set on disk is started after a reboot, and counts as no crash', async (t) => {
  const { engine, agent } = await bench(t);
  const pod = makePod('i1', ['serve', '0']);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
  await until(() => agent.last('i1')?.state === 'ready');
  await agent.kill();
  for (const container of engine.containers.values()) {
    engine.exit(container.id, 137);
    container.created = 1; // long before this boot
  }
  const { agent: second } = await bench(t, engine);
  second.pods.applyDisk([pod]);
  await until(() => second.last('i1')?.state === 'ready');
  assert.equal(second.last('i1')?.restarts, 0);
});

for (const { exitCode, restarts, what } of [
  { exitCode: 1, restarts: 1, what: 'a crash while the agent was away counts' },
  { exitCode: 143, restarts: 0, what: 'an end from outside while the agent was away is no crash' },
]) {
  test(what, async (t) => {
    const { engine, agent } = await bench(t);
    const pod = makePod('i1', ['serve', '0']);
    agent.pods.applyUpdate({ revision: 1, full: true, pods: [pod] });
    await until(() => agent.last('i1')?.state === 'ready');
    await agent.kill();
    engine.exit(engine.running()[0]?.id ?? '', exitCode);
    const { agent: second } = await bench(t, engine);
    second.pods.applyDisk([pod]);
    await until(() => second.last('i1')?.state === 'ready');
    assert.equal(second.last('i1')?.restarts, restarts);
  });
}

test('a container that nobody wants is stopped after a whole set, and not because of the disk alone', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '0'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  await agent.kill();
  const { agent: second } = await bench(t, engine);
  second.pods.applyDisk([]);
  second.pods.applyUpdate({ revision: 2, set: [], remove: ['other'] });
  await sleep(50);
  assert.equal(engine.running().length, 1);
  second.pods.applyUpdate({ revision: 3, full: true, pods: [] });
  await until(() => engine.running().length === 0);
});

test('an engine that is away for a while costs time and no instance', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '0'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  engine.isAway = true;
  agent.pods.applyUpdate({
    revision: 2,
    set: [makePod('i2', ['serve', '0'], { name: 'web.2' })],
    remove: [],
  });
  await sleep(400);
  assert.equal(agent.last('i1')?.state, 'ready');
  assert.equal(agent.last('i2')?.restarts ?? 0, 0);
  engine.isAway = false;
  await until(() => agent.last('i2')?.state === 'ready');
  assert.equal(agent.last('i1')?.restarts, 0);
});

test('an end that no event told of is found by reading again', async (t) => {
  const { engine, agent } = await bench(t);
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [makePod('i1', ['serve', '0'])] });
  await until(() => agent.last('i1')?.state === 'ready');
  const [container] = engine.running();
  assert.ok(container);
  container.server?.close();
  Object.assign(container, { status: 'exited', exitCode: 9 });
  await until(() => agent.reports.some((report) => report.state === 'crashed'));
  await until(() => agent.last('i1')?.state === 'ready');
});
