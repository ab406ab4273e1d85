// Health checks through the real docker CLI: probes, verdicts, events, filters, and what ps and inspect say about them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, TestEngine } from './engine-harness.ts';

let engine: TestEngine;

interface HealthState {
  Status: string;
  FailingStreak: number;
  Log: { ExitCode: number; Output: string; Start: string; End: string }[];
}

before(async () => {
  engine = await TestEngine.start('bflb');
});

after(async () => {
  await engine.close();
});

async function inspect(name: string): Promise<{ Status: string; Health?: HealthState }> {
  const { stdout, stderr } = await engine.docker(['inspect', '-f', '{{json .State}}', name]);
  assert.equal(stderr, '');
  return JSON.parse(stdout) as { Status: string; Health?: HealthState };
}

/** CMD-SHELL needs a shell, which the guest image has not; the API takes the command as it is. */
async function start(name: string, probe: string[], health: object, more: object = {}): Promise<void> {
  await engine.runDetached(
    ['/guest', 'sleep', '60000'],
    { Healthcheck: { Test: ['CMD', '/guest', ...probe], ...health }, ...more } as object,
    name,
  );
}

async function becomes(name: string, status: string): Promise<HealthState> {
  await eventually(`${name} is ${status}`, async () => (await inspect(name)).Health?.Status === status);
  const { Health } = await inspect(name);
  assert.ok(Health);
  return Health;
}

const quick = { Interval: 40e6, Timeout: 2e9, Retries: 2 };

describe('health checks', () => {
  test('a container becomes healthy, then unhealthy, and each change is an event', async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await start('well', ['need', '/tmp/alive'], { ...quick, StartPeriod: 60e9, StartInterval: 40e6 });
    assert.match((await engine.docker(['ps'])).stdout, /\(health: starting\)/);
    const made = await engine.docker(['exec', 'well', '/guest', 'write', '/tmp/alive', 'x']);
    assert.equal(made.code, 0, made.stderr);
    const healthy = await becomes('well', 'healthy');
    assert.equal(healthy.FailingStreak, 0);
    assert.equal(healthy.Log.at(-1)?.Output, 'looking for /tmp/alive\n');
    assert.match((await engine.docker(['ps'])).stdout, /Up .*\(healthy\)/);
    assert.equal((await engine.docker(['ps', '-q', '--filter', 'health=healthy'])).stdout.trim().length, 12);
    assert.equal((await engine.docker(['ps', '-q', '--filter', 'health=unhealthy'])).stdout, '');
    await engine.docker(['rm', '-f', 'well']);
    await start('ill', ['need', '/never'], quick);
    const unhealthy = await becomes('ill', 'unhealthy');
    assert.ok(unhealthy.FailingStreak >= 2);
    assert.equal(unhealthy.Log[0]?.ExitCode, 1);
    const events = await engine.docker([
      'events',
      '--since',
      since,
      '--until',
      String(Date.now() / 1000),
      '--filter',
      'event=health_status',
      '--format',
      '{{.Actor.Attributes.name}} {{.Action}}',
    ]);
    assert.deepEqual(events.stdout.trim().split('\n'), [
      'well health_status: healthy',
      'ill health_status: unhealthy',
    ]);
    await engine.docker(['rm', '-f', 'ill']);
  });

  test('failures in the start period do not count, and five probes are kept', async () => {
    await start('slow', ['need', '/never'], { ...quick, StartPeriod: 60e9, StartInterval: 30e6 });
    await eventually('five probes', async () => (await inspect('slow')).Health?.Log.length === 5);
    const { Health } = await inspect('slow');
    assert.deepEqual([Health?.Status, Health?.FailingStreak], ['starting', 0]);
    await engine.docker(['rm', '-f', 'slow']);
  });

  test('a probe that takes too long is killed and counts as a failure', async () => {
    await start('stuck', ['say', 'one moment', ',', 'sleep', '60000'], { ...quick, Timeout: 150e6 });
    const { Log } = await becomes('stuck', 'unhealthy');
    assert.equal(Log[0]?.ExitCode, -1);
    assert.match(Log[0]?.Output ?? '', /Health check exceeded timeout \(150ms\)/);
    await eventually('no probe is left', async () => {
      const { stdout } = await engine.docker(['top', 'stuck']);
      return stdout.trim().split('\n').length <= 3;
    });
    await engine.docker(['rm', '-f', 'stuck']);
  });

  test('the flags of docker run, and --no-healthcheck over the check of an image', async () => {
    const flags = ['--health-interval', '1s', '--health-timeout', '2s', '--health-retries', '4'];
    const { code, stderr } = await engine.docker([
      'create',
      '--name',
      'flags',
      '--health-cmd',
      'true',
      ...flags,
      '--health-start-period',
      '5s',
      'guest',
    ]);
    assert.equal(code, 0, stderr);
    const config = await engine.docker(['inspect', '-f', '{{json .Config.Healthcheck}}', 'flags']);
    assert.deepEqual(JSON.parse(config.stdout), {
      Test: ['CMD-SHELL', 'true'],
      Interval: 1e9,
      Timeout: 2e9,
      StartPeriod: 5e9,
      Retries: 4,
    });
    await engine.client.makeImage({
      config: {
        architecture: 'amd64',
        os: 'linux',
        config: {
          Cmd: ['/guest', 'sleep', '60000'],
          Healthcheck: { Test: ['CMD', '/guest', 'id'], Interval: 40e6 },
        },
      } as never,
      layers: [engine.layer],
      tags: ['checked'],
    });
    await engine.docker(['run', '-d', '--name', 'by-image', 'checked']);
    await becomes('by-image', 'healthy');
    await engine.docker(['run', '-d', '--name', 'without', '--no-healthcheck', 'checked']);
    assert.equal((await inspect('without')).Health, undefined);
    await engine.docker(['rm', '-f', 'flags', 'by-image', 'without']);
  });

  test('a stopped container is not probed, and a daemon that comes back goes on with the verdict it had', async () => {
    await start('lasting', ['id'], { ...quick, Interval: 60e6 });
    await becomes('lasting', 'healthy');
    await engine.stopDaemon('SIGKILL');
    await engine.startDaemon();
    const { Health } = await inspect('lasting');
    assert.equal(Health?.Status, 'healthy');
    await eventually(
      'it is probed again',
      async () => ((await inspect('lasting')).Health?.Log.length ?? 0) > 0,
    );
    await engine.docker(['stop', '-t', '0', 'lasting']);
    assert.equal((await inspect('lasting')).Health?.Status, 'unhealthy');
    await engine.docker(['rm', 'lasting']);
  });
});
