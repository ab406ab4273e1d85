// Pods when something goes wrong: a daemon that is killed, a reboot, a step that fails, a volume that grows, a link that leads out.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';
import {
  becomes,
  berthEngine,
  freePort,
  guest,
  inspectPod,
  leftOf,
  logOf,
  net,
  pidOf,
  play,
  remove,
  run,
} from './pod-harness.ts';

let engine: TestEngine;
const idle = ['sleep', '60000'];
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const every = { periodSeconds: 1, timeoutSeconds: 1 };

before(async () => {
  engine = await TestEngine.start('bpor');
});

after(async () => {
  await engine.close();
});

describe('a pod and its daemon', () => {
  test('a daemon that is killed adopts its pods and goes on with them', async () => {
    await run(engine, {
      name: 'kept',
      spec: {
        containers: [
          net('web', ['listen', '8080', ok], { readinessProbe: { httpGet: { port: 8080 }, ...every } }),
          guest('bad', ['sleep', '300', ',', 'exit', '1']),
        ],
      },
    });
    await becomes(engine, 'kept', 'is ready', ({ Containers }) => Containers[0]?.Ready === true);
    const pids = await Promise.all(['kept-infra', 'kept-web'].map((one) => pidOf(engine, one)));
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    assert.deepEqual(await Promise.all(['kept-infra', 'kept-web'].map((one) => pidOf(engine, one))), pids);
    const pod = await inspectPod(engine, 'kept');
    assert.deepEqual([pod.Phase, pod.Containers[0]?.Ready], ['Running', true]);
    const { Restarts = 0 } = pod.Containers[1] ?? {};
    await becomes(
      engine,
      'kept',
      'restarts what fails',
      ({ Containers }) => (Containers[1]?.Restarts ?? 0) > Restarts,
    );
    assert.equal((await inspectPod(engine, 'kept')).Containers[0]?.Restarts, 0);
  });

  test('a daemon that is killed while it makes a pod leaves a whole one or none', async () => {
    const record = `${engine.root}/pods/half.json`;
    const spec = {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: ['a', 'b', 'c', 'd'].map((name) =>
        guest(name, idle, { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ),
    };
    for (const containers of [0, 1, 3]) {
      const asked = play(engine, { name: 'half', spec });
      await eventually('it is being made', async () => existsSync(record));
      while (engine.cgroupProcesses().length < containers)
        await new Promise((resolve) => setImmediate(resolve));
      await engine.stopDaemon('SIGKILL');
      await asked;
      await engine.startDaemon();
      await eventually('whole or gone', async () => {
        const pod = await inspectPod(engine, 'half').catch(() => undefined);
        if (pod) return pod.Phase === 'Running';
        return (await leftOf(engine, 'half')).length === 0;
      });
      if (existsSync(record)) await remove(engine, 'half');
      assert.deepEqual(await leftOf(engine, 'half'), []);
    }
  });

  test('after a reboot the restart policy brings it back, whole, and a stopped one stays stopped', async () => {
    await run(engine, { name: 'rest', spec: { containers: [guest('one', idle)] } });
    await berthEngine(engine, ['pod', 'stop', '--time', '0', 'rest']);
    await run(engine, { name: 'job', spec: { restartPolicy: 'Never', containers: [guest('one', idle)] } });
    const names = ['kept-infra', 'kept-web', 'job-infra', 'job-one'];
    const pids = await Promise.all(names.map((one) => pidOf(engine, one)));
    await engine.stopDaemon('SIGKILL');
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await engine.startDaemon();
    await becomes(engine, 'kept', 'is back', ({ Containers }) => Containers[0]?.Ready === true);
    assert.equal((await inspectPod(engine, 'job')).Phase, 'Failed');
    assert.equal((await inspectPod(engine, 'rest')).Phase, 'Stopped');
    for (const name of ['kept', 'rest', 'job']) await remove(engine, name);
    for (const name of ['kept', 'rest', 'job']) assert.deepEqual(await leftOf(engine, name), []);
  });
});

describe('a manifest that cannot be', () => {
  test('leaves nothing behind, whatever fails', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve));
    const taken = await play(engine, {
      name: 'taken',
      spec: { containers: [guest('one', idle, { ports: [{ containerPort: 80, hostPort: port }] })] },
    });
    server.close();
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, new RegExp(`${port}`));
    const absent = await play(engine, {
      name: 'absent',
      spec: {
        volumes: [{ name: 'v', emptyDir: {} }],
        containers: [guest('one', idle), { ...guest('two', idle), image: 'nowhere' }],
      },
    });
    assert.match(absent.stderr, /image "nowhere" is not here, and imagePullPolicy is Never/);
    const root = await play(engine, {
      name: 'root',
      spec: { securityContext: { runAsNonRoot: true }, containers: [guest('one', idle)] },
    });
    assert.match(root.stderr, /container "one": it must not be root, and its user is "root"/);
    for (const name of ['taken', 'absent', 'root']) {
      assert.deepEqual(await leftOf(engine, name), []);
      assert.equal((await berthEngine(engine, ['pod', 'inspect', name])).code, 1);
    }
  });

  test('a pod that outgrew the sizeLimit of an emptyDir is ended, and says why', async () => {
    await run(engine, {
      name: 'fat',
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }],
        containers: [guest('one', idle, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })],
      },
    });
    const volume = (await inspectPod(engine, 'fat')).Volumes[0]?.Volume;
    writeFileSync(`${engine.root}/volumes/${volume}/_data/big`, Buffer.alloc(2 * 1024 * 1024, 'x'));
    const pod = await becomes(engine, 'fat', 'is ended', ({ Phase }) => Phase === 'Failed');
    assert.match(pod.Message, /volume "v" holds more than its sizeLimit of 1048576 bytes/);
    await remove(engine, 'fat');
    assert.deepEqual(await leftOf(engine, 'fat'), []);
  });

  test('a subPath is never followed out of its volume', async () => {
    const volumes = [{ name: 'v', emptyDir: {} }];
    const at = (subPath: string) => ({ volumeMounts: [{ name: 'v', mountPath: '/in', subPath }] });
    await run(engine, {
      name: 'sub',
      spec: { volumes, containers: [guest('one', ['write', '/in/x', 'deep', ',', ...idle], at('a/b'))] },
    });
    await eventually('it wrote', async () => (await logOf(engine, 'sub', 'one')).includes('ok'));
    const out = await play(engine, {
      name: 'out',
      spec: { volumes, containers: [guest('one', idle, at('../..'))] },
    });
    assert.match(out.stderr, /subPath" must lie inside the volume/);
    await remove(engine, 'sub');
  });
});
