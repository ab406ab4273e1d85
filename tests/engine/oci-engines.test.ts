/**
 * Other engines with berth-runtime below them: Docker's own daemon through containerd, and podman through conmon. Each gets
 * namespaces and folders of its own and is ended by its pid. Needs dockerd and containerd, or podman, from Debian.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtimeBinary } from './oci-bundle.ts';
import { buildRuntime, GuestRoot } from './shim-root.ts';

const limitMs = 25_000; // an engine that hangs must fail its test

const lacks = (...programs: string[]) => {
  const missing = programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  return missing.length > 0 && `install ${missing.join(', ')} to run this`;
};

interface Answer {
  code: number | null;
  out: string;
}

/** A folder that the engine's containers are given as their image. */
function importGuest(run: (args: string[], input?: Buffer) => Answer): void {
  const root = new GuestRoot();
  chmodSync(root.path, 0o755); // for users other than root
  const tar = execFileSync('tar', ['-C', root.path, '-c', '.'], { maxBuffer: 64 << 20 });
  root.remove();
  const { code, out } = run(['import', '-', 'guest'], tar);
  assert.equal(code, 0, out);
}

/** A parent group of the test's own; runtimes leave parents to whoever named them. */
const groupOf = (name: string) => `oci-test-${name}-${process.pid}`;

function removeGroup(name: string): void {
  const roots = [
    '/sys/fs/cgroup',
    ...readdirSync('/sys/fs/cgroup').map((root) => join('/sys/fs/cgroup', root)),
  ];
  for (const path of roots.flatMap((root) => [
    join(root, groupOf(name), 'conmon'),
    join(root, groupOf(name)),
  ]))
    if (existsSync(path)) rmdirSync(path);
}

/** What both engines' command lines must do, with the same words. */
function walk(run: (args: string[]) => Answer, options: string[]): void {
  const start = ['run', '--network', 'none', ...options];
  assert.deepEqual(run([...start, '--rm', 'guest', '/guest', 'say', 'hello', ',', 'exit', '7']), {
    code: 7,
    out: 'hello\n',
  });
  assert.match(run([...start, '--rm', '-t', 'guest', '/guest', 'tty']).out, /\/dev\/pts\/0|tty|\d+ \d+/);
  assert.equal(run([...start, '--rm', 'guest', 'nope']).code, 127);
  const limits = ['-m', '64m', '--pids-limit', '20', '--read-only', '-u', '1000:1001', '--cap-drop', 'ALL'];
  assert.equal(run([...start, '-d', '--name', 'one', ...limits, 'guest', '/guest', 'signal']).code, 0);
  assert.match(run(['exec', 'one', '/guest', 'id']).out, /^uid=1000 gid=1001 /);
  assert.match(run(['exec', '-t', 'one', '/guest', 'say', 'tty']).out, /tty/);
  assert.equal(run(['exec', 'one', '/guest', 'exit', '5']).code, 5);
  assert.equal(run(['pause', 'one']).code, 0);
  assert.equal(run(['unpause', 'one']).code, 0);
  assert.match(run(['top', 'one']).out, /\/guest/);
  assert.equal(run(['stop', '-t', '2', 'one']).code, 0);
  assert.equal(run(['start', 'one']).code, 0);
  assert.equal(run(['rm', '-f', 'one']).code, 0);
}

describe('dockerd with berth-runtime', { skip: lacks('dockerd', 'containerd', 'docker') }, () => {
  let dir: string;
  let daemon: ChildProcess;

  const docker = (args: string[], input?: Buffer): Answer => {
    const env = { PATH: process.env['PATH'], HOME: dir, DOCKER_HOST: `unix://${dir}/docker.sock` };
    const done = spawnSync('docker', args, { env, input: input ?? '', timeout: limitMs });
    return { code: done.status, out: done.stdout.toString() };
  };

  before(async () => {
    buildRuntime();
    dir = mkdtempSync(join(tmpdir(), 'oci-dockerd-'));
    const words = `ip link set lo up; mount -t tmpfs tmpfs /run; exec dockerd --data-root ${dir}/data --exec-root ${dir}/exec \
      --host unix://${dir}/docker.sock --pidfile ${dir}/pid --iptables=false --bridge=none --storage-driver vfs \
      --add-runtime berth=${runtimeBinary} >${dir}/log 2>&1`;
    daemon = spawn('unshare', ['--net', '--mount', 'sh', '-c', words], { stdio: 'ignore' });
    for (const deadline = Date.now() + limitMs; docker(['version']).code !== 0; await sleep(100))
      assert.ok(
        Date.now() < deadline,
        existsSync(`${dir}/log`) ? readFileSync(`${dir}/log`, 'utf8') : 'no log',
      );
    importGuest(docker);
  });

  after(async () => {
    docker(['rm', '-f', 'one']); // a walk that failed half-way: its shim would outlive the daemon
    const exited = new Promise((done) => daemon.once('exit', done));
    daemon.kill('SIGTERM');
    await exited;
    rmSync(dir, { recursive: true, force: true });
    removeGroup('docker');
  });

  test('runs, execs, pauses, stops and removes containers, as it does with runc', () => {
    walk(docker, ['--runtime', 'berth', '--cgroup-parent', `/${groupOf('docker')}`]);
  });

  test('mounts volumes and tmpfs, and privileged containers see the devices', () => {
    const own = ['--runtime', 'berth', '--cgroup-parent', `/${groupOf('docker')}`];
    const start = ['run', '--rm', ...own, '--network', 'none', '--init'];
    const mounts = ['-v', `${dir}:/volume:ro`, '--tmpfs', '/scratch'];
    const { out } = docker([
      ...start,
      ...mounts,
      'guest',
      '/guest',
      'list',
      '/volume',
      ',',
      'write',
      '/volume/x',
      'x',
      ',',
      'write',
      '/scratch/x',
      'x',
    ]);
    assert.match(out, /docker\.sock/);
    assert.match(out, /\/volume\/x: Read-only file system/);
    assert.match(docker([...start, '--privileged', 'guest', '/guest', 'list', '/dev']).out, /^loop0|^mem/m);
  });
});

describe('podman with berth-runtime', { skip: lacks('podman', 'conmon') }, () => {
  let dir: string;

  const podman = (args: string[], input?: Buffer): Answer => {
    const own = [
      '--root',
      `${dir}/root`,
      '--runroot',
      `${dir}/run`,
      '--tmpdir',
      `${dir}/tmp`,
      '--storage-driver',
      'vfs',
    ];
    const how = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--runtime', runtimeBinary];
    const done = spawnSync('podman', [...own, ...how, ...args], { input: input ?? '', timeout: limitMs });
    return { code: done.status, out: done.stdout.toString() };
  };

  before(() => {
    buildRuntime();
    dir = mkdtempSync(join(tmpdir(), 'oci-podman-'));
    importGuest(podman);
  });

  after(() => {
    podman(['rm', '--all', '--force', '--time', '0']);
    rmSync(dir, { recursive: true, force: true });
    removeGroup('podman');
  });

  test('runs, execs, pauses, stops and removes containers', () => {
    walk(podman, ['--cgroup-parent', `/${groupOf('podman')}`]);
  });

  test('maps users', () => {
    const maps = [
      '--cgroup-parent',
      `/${groupOf('podman')}`,
      '--uidmap',
      '0:100000:65536',
      '--gidmap',
      '0:100000:65536',
    ];
    const { code, out } = podman([
      'run',
      '--rm',
      '--network',
      'none',
      ...maps,
      'guest',
      '/guest',
      'cat',
      '/proc/self/uid_map',
    ]);
    assert.equal(code, 0);
    assert.match(out, /^ +0 +100000 +65536$/m);
  });
});
