// A reboot, as the engine sees it: every process is gone, so are the RUN folder, control groups, interfaces and firewall rules, and the boot id is
// another one. Restart policies apply, and networks, ports, names, volumes and pods are what they were.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../engine-harness.ts';
import { network, RecoveryWorld, shimPids } from './recovery-world.ts';

let world: RecoveryWorld;

before(async () => {
  world = await RecoveryWorld.open('brb1');
});
after(() => world.close());

/** How the engine is ended before the machine goes down: a power loss, or a proper shutdown that kills what still runs. */
async function reboot(ending: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const { engine } = world;
  await world.client.stop();
  await engine.stopDaemon(ending);
  const ids = readdirSync(join(engine.run, 'containers'));
  const pids = [...ids.flatMap((id) => shimPids(id)), engine.helperPid, ...world.dnsPids()].filter(
    (pid) => pid > 0,
  );
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  await eventually('every process is gone', async () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  await eventually('so are those of containers', async () => engine.cgroupProcesses().length === 0);
  removeCgroups();
  for (const link of readdirSync('/sys/class/net').filter((name) => name.startsWith(`${engine.name}-`)))
    execFileSync('ip', ['link', 'del', link]);
  execFileSync('nft', ['delete', 'table', 'inet', `berth_${engine.name}`]);
  const mounts = execFileSync('cat', ['/proc/self/mountinfo']).toString().split('\n');
  for (const line of mounts.filter((one) => one.includes(`${engine.root}/volumes`)))
    execFileSync('umount', [line.split(' ')[4] ?? '']);
  rmSync(engine.run, { recursive: true });
  writeFileSync(join(engine.root, 'boot-id'), `an earlier boot, ended by ${ending}`);
  await engine.startDaemon();
}

function removeCgroups(): void {
  const parent = `berth-${world.engine.name}`;
  for (const dir of ['', ...readdirSync('/sys/fs/cgroup')].map((root) =>
    join('/sys/fs/cgroup', root, parent),
  ))
    if (existsSync(dir)) {
      for (const entry of readdirSync(dir, { withFileTypes: true }))
        if (entry.isDirectory()) rmdirSync(join(dir, entry.name));
      rmdirSync(dir);
    }
}

const run = (name: string, policy: string, ...more: string[]) =>
  world.docker('run', '-d', '--name', name, '--restart', policy, '--network', network, ...more);
const sleeper = ['guest', '/guest', 'sleep', '60000'];

async function statuses(): Promise<Record<string, string>> {
  const lines = (await world.docker('ps', '-a', '--format', '{{.Names}} {{.State}}')).split('\n');
  return Object.fromEntries(lines.map((line) => line.split(' ') as [string, string]));
}

for (const ending of ['SIGKILL', 'SIGTERM'] as const) {
  test(`after a reboot that began with ${ending} everything is as its policy says`, async () => {
    await world.docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'memory');
    await run('always', 'always', '-p', '127.0.0.1::7000', '-v', 'kept:/v', 'guest', '/net', 'echo', '7000');
    await run('always-stopped', 'always', ...sleeper);
    await run('unless-stopped', 'unless-stopped', '-v', 'memory:/m', ...sleeper);
    await run('unless-stopped-stopped', 'unless-stopped', ...sleeper);
    await run('on-failure', 'on-failure', ...sleeper);
    await run('on-failure-done', 'on-failure', 'guest', '/guest', 'id');
    await run('no', 'no', ...sleeper);
    await world.docker('run', '-d', '--rm', '--name', 'removed', '-v', '/anonymous', ...sleeper);
    const joined = ['--restart', 'always', '--network', 'container:always'];
    await world.docker('run', '-d', '--name', 'joined', ...joined, ...sleeper);
    await world.docker('create', '--name', 'created', '--restart', 'always', ...sleeper);
    await world.docker('exec', 'always', '/guest', 'write', '/v/f', 'kept');
    for (const name of ['always-stopped', 'unless-stopped-stopped'])
      await world.docker('stop', '-t', '0', name);
    await eventually('it is done', async () => (await statuses())['on-failure-done'] === 'exited');
    await world.docker('update', '--restart', 'always', 'witness');
    await eventually('layers are on the disk', async () => areDurable());

    await reboot(ending);
    const wanted = {
      witness: 'running',
      always: 'running',
      'always-stopped': 'running',
      'unless-stopped': 'running',
      'unless-stopped-stopped': 'exited',
      'on-failure': 'running',
      'on-failure-done': 'exited',
      no: 'exited',
      joined: 'running',
      created: 'created',
    };
    await eventually(
      'policies apply',
      async () => JSON.stringify(sorted(await statuses())) === JSON.stringify(sorted(wanted)),
    ).catch(async () => assert.deepEqual(await statuses(), wanted, world.engine.log));
    await world.findWitness();
    assert.equal(await world.docker('exec', 'always', '/guest', 'cat', '/v/f'), 'kept');
    assert.match(
      await world.docker('exec', 'unless-stopped', '/net', 'resolve', 'always', '1'),
      /code 0 10\./,
    );
    const neighbour = await world.engine.docker(['exec', 'joined', '/net', 'get', '127.0.0.1', '1']);
    assert.match(neighbour.stdout, /no connection: Connection refused/, 'the loopback of the other');
    const names = Object.keys(wanted).filter((name) => name !== 'witness');
    await world.docker('rm', '-f', ...names);
    await world.docker('volume', 'rm', 'kept', 'memory');
    assert.equal(
      await world.docker('volume', 'ls', '-q'),
      '',
      'the anonymous volume went with its container',
    );
  });
}

function sorted(object: Record<string, string>): [string, string][] {
  return Object.entries(object).sort();
}

function areDurable(): boolean {
  const layers = join(world.engine.root, 'layers');
  return readdirSync(layers).every((hex) => existsSync(join(layers, hex, 'durable')));
}
