// Pods, as `berth-engine play` and `pod` make them of Kubernetes manifests, on the real engine.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';
import {
  becomes,
  berthEngine,
  freePort,
  guest,
  inspectPod,
  leftOf,
  linesOf,
  logOf,
  namespacesOf,
  net,
  pidOf,
  play,
  remove,
  run,
  runningOf,
} from './pod-harness.ts';
import { TestRegistry } from './registry-harness.ts';

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
      assert.equal(new Set(await namespacesOf(engine, names, kind)).size, 1, `the ${kind} namespace`);
    assert.equal(new Set(await namespacesOf(engine, names, 'pid')).size, 3);
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
      (await logOf(engine, 'shared', 'side')).startsWith('diskmemory'),
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
    assert.deepEqual(await leftOf(engine, 'shared'), []);
    assert.match((await berthEngine(engine, ['play', '--down', 'shared'])).stderr, /no such pod "shared"/);
  });

  test('its infra container is a static program of a few kilobytes', async () => {
    await run(engine, { name: 'small', spec: { containers: [guest('one', idle)] } });
    const pid = await pidOf(engine, 'small-infra');
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kilobytes = Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]);
    assert.ok(kilobytes < 40, `${kilobytes} kB`);
    await remove(engine, 'small');
  });

  test('with shared processes its containers see and can end each other', async () => {
    await run(engine, {
      name: 'together',
      spec: { shareProcessNamespace: true, containers: [guest('one', idle), guest('two', idle)] },
    });
    const names = ['together-infra', 'together-one', 'together-two'];
    assert.equal(new Set(await namespacesOf(engine, names, 'pid')).size, 1);
    const { stdout } = await engine.docker(['exec', 'together-two', '/guest', 'cat', '/proc/1/comm']);
    assert.equal(stdout, 'pause\n');
    await remove(engine, 'together');
  });

  test('stopped it releases its ports, started it begins anew, and docker sees both', async () => {
    const port = await freePort();
    await run(engine, {
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
    assert.deepEqual(await runningOf(engine, 'twice'), []);
    await assert.rejects(text(connect(port, '127.0.0.1')), /ECONNREFUSED/);
    assert.equal((await berthEngine(engine, ['pod', 'rm', 'nobody'])).code, 1);
    assert.equal((await berthEngine(engine, ['pod', 'start', 'twice'])).code, 0);
    await becomes(engine, 'twice', 'runs', ({ Phase }) => Phase === 'Running');
    assert.equal(await text(connect(port, '127.0.0.1')), 'here');
    assert.equal(await logOf(engine, 'twice', 'first'), 'prepared\nprepared\n');
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
    await eventually('it waits', async () => (await logOf(engine, 'polite', 'one')).includes('waiting'));
    await berthEngine(engine, ['pod', 'stop', 'polite']);
    assert.equal(await logOf(engine, 'polite', 'one'), 'waiting\ngot 15\ngoodbye');
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
    assert.deepEqual(await leftOf(engine, 'once'), []);
  });

  test('Never: a pod whose work is done has succeeded and holds nothing', async () => {
    const spec = {
      restartPolicy: 'Never',
      containers: [guest('one', ['say', 'a']), guest('two', ['say', 'b'])],
    };
    await run(engine, { name: 'task', spec });
    await becomes(engine, 'task', 'succeeds', ({ Phase }) => Phase === 'Succeeded');
    assert.deepEqual(await runningOf(engine, 'task'), []);
    await remove(engine, 'task');
  });

  test('OnFailure: what failed is started again, what succeeded is not', async () => {
    const containers = [guest('bad', ['exit', '7']), guest('good', ['say', 'once']), guest('stay', idle)];
    await run(engine, { name: 'mixed', spec: { restartPolicy: 'OnFailure', containers } });
    const pod = await becomes(
      engine,
      'mixed',
      'restarts',
      ({ Containers }) => (Containers[0]?.Restarts ?? 0) >= 2,
    );
    assert.deepEqual(pod.Containers.map(({ Restarts }) => Restarts).slice(1), [0, 0]);
    assert.equal(await logOf(engine, 'mixed', 'good'), 'once\n');
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
    await run(engine, {
      name: 'whole',
      spec: {
        initContainers: [guest('first', ['say', 'again'])],
        containers: [guest('one', idle), guest('two', idle)],
      },
    });
    const before = await Promise.all(['whole-one', 'whole-two'].map((one) => pidOf(engine, one)));
    process.kill(await pidOf(engine, 'whole-infra'), 'SIGKILL');
    await becomes(engine, 'whole', 'is started again', ({ Containers }) =>
      Containers.every(({ Restarts, State }) => Restarts === 1 && State === 'running'),
    );
    for (const pid of before) assert.ok(!existsSync(`/proc/${pid}`));
    assert.equal(
      new Set(await namespacesOf(engine, ['whole-infra', 'whole-one', 'whole-two'], 'net')).size,
      1,
    );
    assert.equal(await logOf(engine, 'whole', 'first'), 'again\nagain\n');
    await engine.docker(['rm', '-f', 'whole-infra']);
    await eventually('the pod is gone with it', async () => (await leftOf(engine, 'whole')).length === 0);
    assert.match((await berthEngine(engine, ['pod', 'inspect', 'whole'])).stderr, /no such pod/);
  });
});

describe('a pod under docker', () => {
  test('what docker stops stays stopped, and the end of its infra container is the end of the pod', async () => {
    await run(engine, {
      name: 'dock',
      spec: { terminationGracePeriodSeconds: 1, containers: [guest('one', idle), guest('two', idle)] },
    });
    await engine.docker(['kill', 'dock-one']);
    await engine.docker(['kill', 'dock-two']);
    await becomes(engine, 'dock', 'ends with its last container', ({ Phase }) => Phase === 'Failed');
    assert.equal((await berthEngine(engine, ['pod', 'start', 'dock'])).code, 0);
    await engine.docker(['kill', 'dock-one']);
    await engine.docker(['stop', 'dock-infra']);
    await becomes(engine, 'dock', 'is stopped', ({ Phase }) => Phase === 'Stopped');
    await eventually('nothing of it runs', async () => (await runningOf(engine, 'dock')).length === 0);
    const { Containers } = await inspectPod(engine, 'dock');
    assert.deepEqual(
      Containers.map(({ Restarts }) => Restarts),
      [0, 0],
    );
    await remove(engine, 'dock');
  });

  test('it is on the network that was asked for, by its name, and seen by no other', async () => {
    await engine.docker(['network', 'create', 'back']);
    const web = net('web', ['listen', '8080', 'found']);
    const spec = { terminationGracePeriodSeconds: 1, containers: [web] };
    const started = await play(engine, { name: 'named', spec }, '--network', 'back');
    assert.equal(started.code, 0, started.stderr);
    const { IP, InfraId } = await inspectPod(engine, 'named');
    const found = await engine.docker([
      'run',
      '--rm',
      '--network',
      'back',
      'guest',
      '/net',
      'resolve',
      'named',
      '1',
    ]);
    assert.match(found.stdout, new RegExp(IP.replaceAll('.', '\\.')));
    const across = await engine.docker(['run', '--rm', 'guest', '/net', 'get', IP, '8080']);
    assert.doesNotMatch(across.stdout, /found/);
    assert.equal((await engine.docker(['inspect', '-f', '{{.Name}}', InfraId])).stdout, '/named-infra\n');
    const nowhere = await play(engine, { name: 'lost', spec }, '--network', 'nowhere');
    assert.match(nowhere.stderr, /network nowhere not found/);
    await remove(engine, 'named');
    await engine.docker(['network', 'rm', 'back']);
  });

  test('its images are pulled as the manifest says', async () => {
    const registry = await TestRegistry.start();
    const image = `${registry.address}/team/guest:v1`;
    try {
      await engine.docker(['tag', 'guest', image]);
      const pushed = await engine.docker(['push', image]);
      assert.equal(pushed.code, 0, pushed.stderr);
      await engine.docker(['rmi', image]);
      const spec = (imagePullPolicy: string) => ({
        containers: [guest('one', idle, { image, imagePullPolicy })],
      });
      const never = await play(engine, { name: 'pulled', spec: spec('Never') });
      assert.match(never.stderr, /is not here, and imagePullPolicy is Never/);
      assert.equal((await play(engine, { name: 'pulled', spec: spec('IfNotPresent') })).code, 0);
      registry.pause();
      assert.equal((await play(engine, { name: 'again', spec: spec('IfNotPresent') })).code, 0);
      const always = await play(engine, { name: 'always', spec: spec('Always') });
      assert.deepEqual([always.code, always.stdout], [1, '']);
      assert.match(always.stderr, /team\/guest:v1" cannot be pulled: /);
    } finally {
      registry.close();
    }
    for (const name of ['pulled', 'again']) await remove(engine, name);
  });
});

describe('probes of a pod', () => {
  test('readiness is shown, by exec, HTTP and TCP, and a slow one holds no other up', async () => {
    const probe = (action: object) => ({ readinessProbe: { ...action, ...every } });
    await run(engine, {
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
    await run(engine, {
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
