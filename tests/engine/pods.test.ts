// Pods, as `berth-engine play` and `pod` make them of Kubernetes manifests, on the real engine.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';
import { becomes, berthEngine, guest, inspectPod, net, play, remove } from './pod-harness.ts';

let engine: TestEngine;
const idle = ['sleep', '60000'];
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const every = { periodSeconds: 1, timeoutSeconds: 1 };

before(async () => {
  engine = await TestEngine.start('bpod');
});

after(async () => {
  await engine.close();
});

async function pidOf(container: string): Promise<number> {
  const { stdout } = await engine.docker(['inspect', '-f', '{{.State.Pid}}', container]);
  return Number(stdout);
}

async function namespacesOf(containers: string[], kind: string): Promise<string[]> {
  const pids = await Promise.all(containers.map(pidOf));
  return pids.map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function linesOf(output: string): string[] {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '');
}

/** Containers and volumes that docker knows of a pod. */
async function leftOf(pod: string): Promise<string[]> {
  const filter = ['--filter', `label=berth.pod=${pod}`];
  const all = [
    await engine.docker(['ps', '-aq', ...filter]),
    await engine.docker(['volume', 'ls', '-q', ...filter]),
  ];
  return all.flatMap(({ stdout }) => linesOf(stdout));
}

async function runningOf(pod: string): Promise<string[]> {
  return linesOf((await engine.docker(['ps', '-q', '--filter', `label=berth.pod=${pod}`])).stdout);
}

async function logOf(pod: string, container: string): Promise<string> {
  return (await berthEngine(engine, ['pod', 'logs', pod, container])).stdout;
}

describe('a pod', () => {
  test('its containers share localhost, IPC, hostname and an emptyDir, and its ports are those of the infra container', async () => {
    const port = await freePort();
    const mounts = [
      { name: 'disk', mountPath: '/data' },
      { name: 'memory', mountPath: '/fast' },
    ];
    const started = await play(engine, {
      name: 'shared',
      metadata: { labels: { tier: 'front' } },
      spec: {
        hostname: 'web-1',
        terminationGracePeriodSeconds: 1,
        hostAliases: [{ ip: '10.9.8.7', hostnames: ['db', 'database'] }],
        volumes: [
          { name: 'disk', emptyDir: {} },
          { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        ],
        initContainers: [
          guest('prepare', ['write', '/data/a', 'disk', ',', 'write', '/fast/b', 'memory'], {
            volumeMounts: mounts,
          }),
        ],
        containers: [
          net('web', ['listen', '8080', 'hello'], {
            ports: [{ name: 'http', containerPort: 8080, hostPort: port }],
          }),
          guest(
            'side',
            ['cat', '/data/a', ',', 'cat', '/fast/b', ',', 'write', '/dev/shm/x', 'y', ',', ...idle],
            {
              volumeMounts: mounts,
              securityContext: { runAsUser: 1000, runAsGroup: 1001 },
            },
          ),
        ],
      },
    });
    assert.deepEqual(started, { code: 0, stdout: 'shared\n', stderr: '' });
    const names = ['shared-infra', 'shared-web', 'shared-side'];
    for (const kind of ['net', 'ipc', 'uts'])
      assert.equal(new Set(await namespacesOf(names, kind)).size, 1, `the ${kind} namespace`);
    assert.equal(new Set(await namespacesOf(names, 'pid')).size, 3);
    assert.equal(
      (await engine.docker(['exec', 'shared-side', '/net', 'get', '127.0.0.1', '8080'])).stdout,
      'got hello\n',
    );
    assert.equal((await engine.docker(['exec', 'shared-web', '/guest', 'cat', '/dev/shm/x'])).stdout, 'y');
    const hosts = (await engine.docker(['exec', 'shared-web', '/guest', 'cat', '/etc/hosts'])).stdout;
    assert.match(hosts, /10\.9\.8\.7\tdb\n10\.9\.8\.7\tdatabase\n/);
    assert.match(hosts, /\tweb-1\n/);
    assert.equal(
      (await engine.docker(['exec', 'shared-web', '/guest', 'cat', '/etc/hostname'])).stdout,
      'web-1\n',
    );
    await eventually('the volumes hold what was prepared', async () =>
      (await logOf('shared', 'side')).startsWith('diskmemory'),
    );
    assert.equal(await text(connect(port, '127.0.0.1')), 'hello');
    const shown = await engine.docker([
      'ps',
      '-a',
      '--filter',
      'label=berth.pod=shared',
      '--format',
      '{{.Names}} {{.Image}} {{.Ports}}',
    ]);
    assert.deepEqual(linesOf(shown.stdout).sort(), [
      `shared-infra berth-pause 0.0.0.0:${port}->8080/tcp`,
      'shared-prepare guest',
      'shared-side guest',
      'shared-web guest',
    ]);
    assert.match(
      (await berthEngine(engine, ['pod', 'ls'])).stdout,
      /^NAME +STATUS +READY.*\nshared +Running +2\/2 +0 +\d+s +10\./,
    );
    const again = await play(engine, { name: 'shared', spec: { containers: [guest('web', idle)] } });
    assert.match(again.stderr, /the pod name "shared" is already in use/);
    const replaced = await play(
      engine,
      { name: 'shared', spec: { containers: [guest('other', idle)] } },
      '--replace',
    );
    assert.equal(replaced.code, 0, replaced.stderr);
    assert.deepEqual(
      (await inspectPod(engine, 'shared')).Containers.map(({ Name }) => Name),
      ['other'],
    );
    assert.equal(
      (await engine.docker(['volume', 'ls', '-q', '--filter', 'label=berth.pod=shared'])).stdout,
      '',
    );
    const down = await berthEngine(engine, ['play', '--down', '--time', '0', `${engine.dir}/shared.yaml`]);
    assert.deepEqual(down, { code: 0, stdout: 'shared\n', stderr: '' });
    assert.deepEqual(await leftOf('shared'), []);
    assert.match((await berthEngine(engine, ['play', '--down', 'shared'])).stderr, /no such pod "shared"/);
  });

  test('its infra container is a static program of a few kilobytes', async () => {
    await play(engine, { name: 'small', spec: { containers: [guest('one', idle)] } });
    const pid = await pidOf('small-infra');
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kilobytes = Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]);
    assert.ok(kilobytes < 40, `${kilobytes} kB`);
    await remove(engine, 'small');
  });

  test('with shared processes its containers see and can end each other', async () => {
    await play(engine, {
      name: 'together',
      spec: { shareProcessNamespace: true, containers: [guest('one', idle), guest('two', idle)] },
    });
    const names = ['together-infra', 'together-one', 'together-two'];
    assert.equal(new Set(await namespacesOf(names, 'pid')).size, 1);
    const { stdout } = await engine.docker(['exec', 'together-two', '/guest', 'cat', '/proc/1/comm']);
    assert.equal(stdout, 'pause\n');
    await remove(engine, 'together');
  });

  test('stopped it releases its ports, started it begins anew, and docker sees both', async () => {
    const port = await freePort();
    await play(engine, {
      name: 'twice',
      spec: {
        initContainers: [guest('first', ['say', 'prepared'])],
        containers: [
          net('web', ['listen', '80', 'here'], { ports: [{ containerPort: 80, hostPort: port }] }),
        ],
      },
    });
    assert.equal((await berthEngine(engine, ['pod', 'stop', '--time', '0', 'twice'])).code, 0);
    assert.equal((await inspectPod(engine, 'twice')).Phase, 'Stopped');
    assert.deepEqual(await runningOf('twice'), []);
    await assert.rejects(text(connect(port, '127.0.0.1')), /ECONNREFUSED/);
    assert.equal((await berthEngine(engine, ['pod', 'rm', 'nobody'])).code, 1);
    assert.equal((await berthEngine(engine, ['pod', 'start', 'twice'])).code, 0);
    await becomes(engine, 'twice', 'runs', ({ Phase }) => Phase === 'Running');
    assert.equal(await text(connect(port, '127.0.0.1')), 'here');
    assert.equal(await logOf('twice', 'first'), 'prepared\nprepared\n');
    await remove(engine, 'twice');
  });

  test('a preStop hook runs before the signal', async () => {
    const lifecycle = { preStop: { exec: { command: ['/guest', 'write', '/data/said', 'goodbye'] } } };
    const spec = {
      terminationGracePeriodSeconds: 20,
      volumes: [{ name: 'data', hostPath: { path: `${engine.dir}/said`, type: 'DirectoryOrCreate' } }],
      containers: [
        guest('one', ['signal', ',', 'cat', '/data/said'], {
          lifecycle,
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
        }),
      ],
    };
    assert.match(
      (await play(engine, { name: 'polite', spec })).stderr,
      /hostPath" shows a folder of the host.*--allow-host-path/,
    );
    assert.equal((await play(engine, { name: 'polite', spec }, '--allow-host-path')).code, 0);
    await eventually('it waits', async () => (await logOf('polite', 'one')).includes('waiting'));
    await berthEngine(engine, ['pod', 'stop', 'polite']);
    assert.equal(await logOf('polite', 'one'), 'waiting\ngot 15\ngoodbye');
    await remove(engine, 'polite');
  });
});

describe('restart policies of a pod', () => {
  test('Never: the exit code of --wait is that of the container, and the pod is removed', async () => {
    const spec = { restartPolicy: 'Never', containers: [guest('one', ['say', 'done', ',', 'exit', '3'])] };
    assert.deepEqual(await play(engine, { name: 'once', spec }, '--wait'), {
      code: 3,
      stdout: 'once\n',
      stderr: '',
    });
    assert.deepEqual(await leftOf('once'), []);
  });

  test('Never: a pod whose work is done has succeeded and holds nothing', async () => {
    const spec = {
      restartPolicy: 'Never',
      containers: [guest('one', ['say', 'a']), guest('two', ['say', 'b'])],
    };
    await play(engine, { name: 'task', spec });
    await becomes(engine, 'task', 'succeeds', ({ Phase }) => Phase === 'Succeeded');
    assert.deepEqual(await runningOf('task'), []);
    await remove(engine, 'task');
  });

  test('OnFailure: what failed is started again, what succeeded is not', async () => {
    const containers = [guest('bad', ['exit', '7']), guest('good', ['say', 'once']), guest('stay', idle)];
    await play(engine, { name: 'mixed', spec: { restartPolicy: 'OnFailure', containers } });
    const pod = await becomes(
      engine,
      'mixed',
      'restarts',
      ({ Containers }) => (Containers[0]?.Restarts ?? 0) >= 2,
    );
    assert.deepEqual(pod.Containers.map(({ Restarts }) => Restarts).slice(1), [0, 0]);
    assert.equal(await logOf('mixed', 'good'), 'once\n');
    await remove(engine, 'mixed');
  });

  test('Always: an init container that fails is tried again, and nothing is started before it succeeds', async () => {
    const stuck = await play(
      engine,
      {
        name: 'stuck',
        spec: { initContainers: [guest('gate', ['exit', '1'])], containers: [guest('one', idle)] },
      },
      '-d',
    );
    const pod = await becomes(
      engine,
      'stuck',
      'tries',
      ({ InitContainers }) => (InitContainers[0]?.Restarts ?? 0) >= 2,
    );
    assert.deepEqual([pod.Phase, pod.Containers[0]?.State], ['Pending', 'waiting']);
    assert.equal(stuck.code, 125);
    assert.match(stuck.stderr, /pod "stuck": init container "gate" failed: exit code 1; it is tried again/);
    await remove(engine, 'stuck');
  });

  test('a command that does not exist is told, with exit code 125', async () => {
    const { code, stderr } = await play(engine, {
      name: 'wrong',
      spec: { containers: [{ ...guest('one', []), command: ['/nope'] }] },
    });
    assert.equal(code, 125);
    assert.match(stderr, /pod "wrong": container "one" cannot be started: .*\/nope/);
    await remove(engine, 'wrong');
  });

  test('an infra container that is killed takes the pod with it, which is started again as a whole', async () => {
    await play(engine, {
      name: 'whole',
      spec: {
        initContainers: [guest('first', ['say', 'again'])],
        containers: [guest('one', idle), guest('two', idle)],
      },
    });
    const before = await Promise.all(['whole-one', 'whole-two'].map(pidOf));
    process.kill(await pidOf('whole-infra'), 'SIGKILL');
    await becomes(engine, 'whole', 'is started again', ({ Containers }) =>
      Containers.every(({ Restarts, State }) => Restarts === 1 && State === 'running'),
    );
    for (const pid of before) assert.ok(!existsSync(`/proc/${pid}`));
    assert.equal(new Set(await namespacesOf(['whole-infra', 'whole-one', 'whole-two'], 'net')).size, 1);
    assert.equal(await logOf('whole', 'first'), 'again\nagain\n');
    await engine.docker(['rm', '-f', 'whole-infra']);
    await eventually('the pod is gone with it', async () => (await leftOf('whole')).length === 0);
    assert.match((await berthEngine(engine, ['pod', 'inspect', 'whole'])).stderr, /no such pod/);
  });
});

describe('probes of a pod', () => {
  test('readiness is shown, by exec, HTTP and TCP, and a slow one holds no other up', async () => {
    const probe = (action: object) => ({ readinessProbe: { ...action, ...every } });
    await play(engine, {
      name: 'probed',
      spec: {
        containers: [
          guest('exec', idle, probe({ exec: { command: ['/guest', 'need', '/tmp/ready'] } })),
          net('http', ['listen', '8080', ok], {
            ports: [{ name: 'web', containerPort: 8080 }],
            ...probe({ httpGet: { port: 'web', path: '/health' } }),
          }),
          net('tcp', ['listen', '9090', 'x'], probe({ tcpSocket: { port: 9090 } })),
          guest('slow', idle, probe({ exec: { command: ['/guest', 'sleep', '60000'] } })),
        ],
      },
    });
    const ready = (pod: { Containers: { Ready: boolean }[] }) =>
      pod.Containers.map(({ Ready }) => Ready).join();
    await becomes(engine, 'probed', 'is ready in part', (pod) => ready(pod) === 'false,true,true,false');
    assert.match((await engine.docker(['ps', '--filter', 'name=probed-http'])).stdout, /\(healthy\)/);
    assert.match((await berthEngine(engine, ['pod', 'ls'])).stdout, /probed +Running +2\/4/);
    await engine.docker(['exec', 'probed-exec', '/guest', 'write', '/tmp/ready', 'x']);
    await becomes(engine, 'probed', 'is ready in most', (pod) => ready(pod) === 'true,true,true,false');
    await remove(engine, 'probed');
  });

  test('a failed liveness probe restarts its container alone, and says why', async () => {
    const livenessProbe = {
      exec: { command: ['/guest', 'need', '/tmp/alive'] },
      failureThreshold: 1,
      ...every,
    };
    await play(engine, {
      name: 'live',
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          guest('ill', ['write', '/tmp/x', 'x', ',', ...idle], { livenessProbe }),
          guest('well', idle, { startupProbe: { tcpSocket: { port: 1 }, ...every, failureThreshold: 1000 } }),
        ],
      },
    });
    const pod = await becomes(
      engine,
      'live',
      'restarts',
      ({ Containers }) => (Containers[0]?.Restarts ?? 0) >= 1,
    );
    assert.deepEqual([pod.Containers[1]?.Restarts, pod.Containers[1]?.Ready], [0, false]);
    assert.match(
      pod.Containers[0]?.LastProbeFailure ?? '',
      /^liveness probe failed: looking for \/tmp\/alive/,
    );
    const { stdout } = await engine.docker(['inspect', '-f', '{{.RestartCount}}', 'live-ill']);
    assert.ok(Number(stdout) >= 1);
    await remove(engine, 'live');
  });
});

describe('a pod and its daemon', () => {
  test('a daemon that is killed adopts its pods and goes on with them', async () => {
    await play(engine, {
      name: 'kept',
      spec: {
        containers: [
          net('web', ['listen', '8080', ok], { readinessProbe: { httpGet: { port: 8080 }, ...every } }),
          guest('bad', ['sleep', '300', ',', 'exit', '1']),
        ],
      },
    });
    await becomes(engine, 'kept', 'is ready', ({ Containers }) => Containers[0]?.Ready === true);
    const pids = await Promise.all(['kept-infra', 'kept-web'].map(pidOf));
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    assert.deepEqual(await Promise.all(['kept-infra', 'kept-web'].map(pidOf)), pids);
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
        return (await leftOf('half')).length === 0;
      });
      if (existsSync(record)) await remove(engine, 'half');
      assert.deepEqual(await leftOf('half'), []);
    }
  });

  test('after a reboot the restart policy brings it back, whole, and a stopped one stays stopped', async () => {
    await play(engine, { name: 'rest', spec: { containers: [guest('one', idle)] } });
    await berthEngine(engine, ['pod', 'stop', '--time', '0', 'rest']);
    await play(engine, { name: 'job', spec: { restartPolicy: 'Never', containers: [guest('one', idle)] } });
    const names = ['kept-infra', 'kept-web', 'job-infra', 'job-one'];
    const pids = await Promise.all(names.map(pidOf));
    await engine.stopDaemon('SIGKILL');
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await engine.startDaemon();
    await becomes(engine, 'kept', 'is back', ({ Containers }) => Containers[0]?.Ready === true);
    assert.equal((await inspectPod(engine, 'job')).Phase, 'Failed');
    assert.equal((await inspectPod(engine, 'rest')).Phase, 'Stopped');
    for (const name of ['kept', 'rest', 'job']) await remove(engine, name);
    for (const name of ['kept', 'rest', 'job']) assert.deepEqual(await leftOf(name), []);
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
    assert.match(root.stderr, /container "one" must not be root/);
    for (const name of ['taken', 'absent', 'root']) {
      assert.deepEqual(await leftOf(name), []);
      assert.equal((await berthEngine(engine, ['pod', 'inspect', name])).code, 1);
    }
  });

  test('a pod that outgrew the sizeLimit of an emptyDir is ended, and says why', async () => {
    await play(engine, {
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
    assert.deepEqual(await leftOf('fat'), []);
  });

  test('a subPath is never followed out of its volume', async () => {
    const volumes = [{ name: 'v', emptyDir: {} }];
    const at = (subPath: string) => ({ volumeMounts: [{ name: 'v', mountPath: '/in', subPath }] });
    await play(engine, {
      name: 'sub',
      spec: { volumes, containers: [guest('one', ['write', '/in/x', 'deep', ',', ...idle], at('a/b'))] },
    });
    await eventually('it wrote', async () => (await logOf('sub', 'one')).includes('ok'));
    const out = await play(engine, {
      name: 'out',
      spec: { volumes, containers: [guest('one', idle, at('../..'))] },
    });
    assert.match(out.stderr, /subPath" must lie inside the volume/);
    await remove(engine, 'sub');
  });
});
