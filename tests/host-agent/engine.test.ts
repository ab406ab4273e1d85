// The host agent on the real engine: readiness, wrong ports, attached runs, logs, and an engine that is killed under it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpClient } from '@berth/clients/http-client.ts';
import type { Pod } from '@berth/contract/instance.ts';
import type { LogLine } from '@berth/contract/log.ts';
import { serveAgentSocket } from '@berth/host-agent/agent-socket.ts';
import { encodeFrame, type Frame, FrameReader } from '@berth/host-agent/attach-frames.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { TestEngine } from '../engine/engine-harness.ts';
import { AgentBench, makePod, oneOff, until } from './agent-bench.ts';

let engine: TestEngine;
let agent: AgentBench;
let socket: { close: () => void };
let socketPath = '';

before(async () => {
  engine = await TestEngine.start('hagt');
  await startAgent();
});

after(async () => {
  socket.close();
  await agent.kill();
  await engine.close();
});

async function startAgent(): Promise<void> {
  agent = new AgentBench(engine.client);
  await agent.pods.findContainers();
  await agent.pods.ensureNetwork();
  socketPath = join(engine.dir, 'agent.sock');
  const log = createLogger('test', 'silent');
  socket = await serveAgentSocket({
    path: socketPath,
    engine: engine.client,
    watch: agent.watch,
    desk: agent.desk,
    log,
  });
}

const pod = (id: string, command: string[], change: Partial<Pod> = {}) =>
  makePod(id, command, { image: engine.image, user: 'app', ...change });
const set = (one: Pod) => agent.pods.applyUpdate({ revision: 1, set: [one], remove: [] });

async function stop(one: Pod): Promise<void> {
  set({ ...one, desired: 'stopped' });
  await until(() => agent.last(one.id)?.state === 'stopped');
  agent.pods.applyUpdate({ revision: 2, set: [], remove: [one.id] });
}

function attach(id: string): { socket: Socket; frames: Frame[]; closed: Promise<unknown> } {
  const user = connect(socketPath);
  user.write(
    `GET /attach?instance=${id} HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: berth-stream\r\n\r\n`,
  );
  const frames: Frame[] = [];
  const reader = new FrameReader();
  let head: Buffer | undefined = Buffer.alloc(0);
  user.on('data', (chunk: Buffer) => {
    if (head === undefined) return void frames.push(...reader.push(chunk));
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1) return;
    frames.push(...reader.push(head.subarray(end + 4)));
    head = undefined;
  });
  return { socket: user, frames, closed: once(user, 'close') };
}

const text = (frames: Frame[], type: number) =>
  Buffer.concat(frames.filter((frame) => frame.type === type).map((frame) => frame.payload)).toString();

test('a web pod is ready at its address within milliseconds of listening, and stops when told', async () => {
  const web = pod('web1', ['/net', 'listen', '15999', 'hello']);
  const askedAt = performance.now();
  set(web);
  await until(() => agent.last('web1')?.state === 'ready');
  assert.ok(performance.now() - askedAt < 1_000);
  const { address, port } = agent.last('web1') ?? {};
  const visitor = connect(port ?? 0, address ?? '');
  const [answer] = (await once(visitor, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'hello');
  visitor.destroy();
  await stop(web);
  assert.deepEqual(await engine.client.listContainers({ all: false }), []);
});

test('an app on the wrong port is told which one it should have taken', async () => {
  const readiness = { kind: 'port' as const, port: 15999, httpPath: null, timeoutSeconds: 30 };
  const web = pod('wrong1', ['/net', 'listen', '3000', 'hello'], { readiness });
  set(web);
  await until(
    () => agent.last('wrong1')?.fatal !== null && agent.last('wrong1')?.fatal !== undefined,
    10_000,
  );
  assert.equal(agent.last('wrong1')?.fatal, 'wrong_port');
  assert.equal(agent.last('wrong1')?.message, 'listens on [::]:3000; it must listen on 0.0.0.0:15999 (PORT)');
  assert.equal(agent.last('wrong1')?.tail, 'listening');
  await stop(web);
});

test('a command that the image does not have is fatal', async () => {
  const web = pod('none1', ['/no/such/program']);
  set(web);
  await until(() => agent.last('none1')?.fatal === 'command_not_found');
  await stop(web);
});

test('memory that runs out is called by its name', async () => {
  const run = pod('memory1', ['/guest', 'memory', '200', ','], { ...oneOff, memoryMb: 32 });
  set(run);
  await until(() => agent.last('memory1')?.state === 'stopped', 10_000);
  assert.equal(agent.last('memory1')?.message, 'was killed: out of memory (32 MB)');
});

const attached: Partial<Pod> = { ...oneOff, oneOff: { attach: true, tty: false, rows: 0, cols: 0 } };

test('an attached run misses no output, keeps its streams apart and tells its exit code', async () => {
  const user = attach('run1');
  set(pod('run1', ['/guest', 'say', 'out', ',', 'complain', 'err', ',', 'exit', '7', ','], attached));
  await user.closed;
  assert.match(text(user.frames, 0), /out/);
  assert.match(text(user.frames, 1), /err/);
  assert.deepEqual(JSON.parse(text(user.frames, 3)), { exitCode: 7 });
  assert.equal(agent.last('run1')?.exitCode, 7);
});

test('what a user types reaches the run, and the end of it too', async () => {
  const user = attach('run2');
  set(pod('run2', ['/guest', 'cat', '-', ','], attached));
  user.socket.write(encodeFrame(0, 'first\n'));
  await until(() => text(user.frames, 0) === 'first\n');
  user.socket.write(encodeFrame(0, 'last\n'));
  user.socket.write(encodeFrame(1, ''));
  await user.closed;
  assert.equal(text(user.frames, 0), 'first\nlast\n');
  assert.deepEqual(JSON.parse(text(user.frames, 3)), { exitCode: 0 });
});

test('a run whose user goes away ends', async () => {
  const user = attach('run3');
  set(pod('run3', ['/guest', 'say', 'here', ',', 'sleep', '60', ','], attached));
  await until(() => text(user.frames, 0).includes('here'));
  user.socket.destroy();
  await until(() => agent.last('run3')?.state === 'stopped');
  assert.equal(agent.last('run3')?.exitCode, 129);
});

test('what a run of a user prints is in no log: it may be a secret that only they asked for', async () => {
  const http = new HttpClient({ socketPath, name: 'the agent' });
  const user = attach('run4');
  set(pod('run4', ['/guest', 'say', 'password', ','], { ...attached, appId: 'quiet', name: 'run.1' }));
  await user.closed;
  assert.match(text(user.frames, 0), /password/);
  const lines: unknown[] = [];
  for await (const line of http.lines('GET', '/logs?app=quiet&lines=10')) lines.push(line);
  assert.deepEqual(lines, []);
});

test("an app's log is one stream in the order of time, without gaps, over new containers", async () => {
  const http = new HttpClient({ socketPath, name: 'the agent' });
  const say = (id: string, name: string, words: string[]) =>
    pod(id, ['/guest', ...words.flatMap((word) => ['say', word, ','])], { ...oneOff, appId: 'logs', name });
  set(say('log1', 'web.1', ['one', 'two']));
  await until(() => agent.last('log1')?.state === 'stopped');
  set(say('log2', 'worker.1', ['three']));
  await until(() => agent.last('log2')?.state === 'stopped');
  const read = async (query: string) => {
    const lines: string[] = [];
    for await (const line of http.lines('GET', `/logs?app=logs&${query}`)) {
      const { process, message } = line as LogLine;
      lines.push(`${process} ${message}`);
    }
    return lines;
  };
  assert.deepEqual(await read('lines=10'), ['web.1 one', 'web.1 two', 'worker.1 three']);
  assert.deepEqual(await read('lines=2'), ['web.1 two', 'worker.1 three']);
  assert.deepEqual(await read('lines=10&process=web'), ['web.1 one', 'web.1 two']);
  const over = new AbortController();
  const followed: string[] = [];
  const follow = (async () => {
    const options = { signal: over.signal };
    for await (const line of http.lines('GET', '/logs?app=logs&lines=1&follow=1', options))
      followed.push((line as LogLine).message);
  })().catch(() => {});
  await until(() => followed.length === 1);
  set(say('log3', 'web.2', ['four', 'five']));
  await until(() => followed.length === 3);
  assert.deepEqual(followed, ['three', 'four', 'five']);
  over.abort();
  await follow;
  http.close();
});

test('an engine that is killed takes no pod with it, and is used again when it is back', async () => {
  const web = pod('web2', ['/net', 'listen', '15999', 'hello']);
  set(web);
  await until(() => agent.last('web2')?.state === 'ready');
  const container = agent.last('web2')?.container;
  await engine.stopDaemon('SIGKILL');
  await sleep(500);
  await engine.startDaemon();
  await sleep(500);
  assert.deepEqual([agent.last('web2')?.state, agent.last('web2')?.container], ['ready', container]);
  await stop(web);
});

test('an agent that starts again adopts what runs', async () => {
  const web = pod('web3', ['/net', 'listen', '15999', 'hello']);
  set(web);
  await until(() => agent.last('web3')?.state === 'ready');
  const container = agent.last('web3')?.container;
  socket.close();
  await agent.kill();
  await startAgent();
  agent.pods.applyUpdate({ revision: 1, full: true, pods: [web] });
  await agent.pods.settled();
  assert.deepEqual([agent.last('web3')?.state, agent.last('web3')?.container], ['ready', container]);
  await stop(web);
});
