// The whole create body of a pod, as the engine gets it.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Pod } from '@berth/contract/instance.ts';
import { pickSuperfluous } from './exited-containers.ts';
import { podContainer, podContainerName } from './pod-container.ts';
import { restartDelayMs } from './restart-delay.ts';

const pod: Pod = {
  id: '0198c2f0-aaaa-7bbb-8ccc-0f3a9c210001',
  appId: 'app1',
  app: 'hello',
  name: 'web.1',
  processType: 'web',
  release: 7,
  image: `sha256:${'a'.repeat(64)}`,
  command: ['/bin/sh', '-c', 'node server.js'],
  env: { PORT: '5000', NAME: 'a=b' },
  user: 'app',
  memoryMb: 256,
  cpuShares: 512,
  pids: 100,
  readiness: { kind: 'port', port: 5000, httpPath: null, timeoutSeconds: 60 },
  graceSeconds: 30,
  desired: 'running',
  oneOff: null,
};

test('a pod becomes one container with its limits, labels and no restart policy', () => {
  assert.deepEqual(podContainer(pod, 2), {
    Image: pod.image,
    Cmd: ['/bin/sh', '-c', 'node server.js'],
    Env: ['PORT=5000', 'NAME=a=b'],
    User: 'app',
    Hostname: 'web-1',
    Labels: {
      'berth.instance': pod.id,
      'berth.app': 'hello',
      'berth.appId': 'app1',
      'berth.process': 'web.1',
      'berth.release': '7',
      'berth.crashes': '2',
      'berth.userns': 'app-app1',
    },
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StopTimeout: 30,
    HostConfig: {
      Memory: 268_435_456,
      MemorySwap: 268_435_456,
      CpuShares: 512,
      PidsLimit: 100,
      Init: true,
      NetworkMode: 'berth-apps',
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
    },
  });
  assert.equal(podContainerName(pod, 0), 'hello-web.1-9c210001');
  assert.equal(podContainerName(pod, 2), 'hello-web.1-9c210001-2');
});

test('an attached run has a terminal and a stdin that ends with its user', () => {
  const body = podContainer({ ...pod, oneOff: { attach: true, tty: true, rows: 24, cols: 80 } }, 0);
  assert.deepEqual([body.Tty, body.OpenStdin, body.StdinOnce, body.AttachStdin], [true, true, true, true]);
  assert.deepEqual(body.HostConfig?.LogConfig, { Type: 'none', Config: {} });
});

test('restarts wait 0, 1, 2, 4 … 300 seconds', () => {
  const noJitter = () => 0.5;
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((n) => Math.round(restartDelayMs(n, noJitter))),
    [0, 1000, 2000, 4000, 8000],
  );
  assert.equal(Math.round(restartDelayMs(40, noJitter)), 300_000);
});

test('of ended containers the newest few of each app stay for their logs, for an hour', () => {
  const now = 10_000_000_000;
  const made = (
    Id: string,
    appId: string,
    agoSeconds: number,
    State: 'exited' | 'running' | 'created' = 'exited',
  ) => ({
    Id,
    Names: [],
    Image: '',
    State,
    Status: '',
    Created: now / 1000 - agoSeconds,
    Labels: { 'berth.appId': appId },
  });
  const containers = [
    ...[1, 2, 3, 4, 5, 6, 7].map((n) => made(`a${n}`, 'a', n)),
    made('b1', 'b', 5),
    made('b2', 'b', 4000),
    made('b3', 'b', 5000),
    made('r', 'a', 9000, 'running'),
    made('c1', 'c', 1, 'created'),
    made('c2', 'c', 500, 'created'),
  ];
  assert.deepEqual(
    pickSuperfluous(containers, (id) => id === 'a7' || id === 'b3', now),
    ['c2', 'a6', 'b2'],
  );
});
