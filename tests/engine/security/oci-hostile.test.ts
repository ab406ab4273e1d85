// berth-runtime, the OCI command line, under bundles and neighbours that were made to break out. oci-runtime.test.ts has the walls that one
// bundle alone shows; here somebody works against the runtime while it works.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Bundle, type Config, runtimeBinary } from '../oci-bundle.ts';
import { buildRuntime } from '../shim-root.ts';
import { attackerProgram } from './hostile-image.ts';

let dir: string;
/** A folder of the host that no container may see, change or mount on. */
let outside: string;
let attacker: Buffer;

before(() => {
  buildRuntime();
  dir = mkdtempSync(join(tmpdir(), 'oci-hostile-'));
  outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'key'), 'host key', { mode: 0o640 });
  attacker = attackerProgram(dir);
});

after(() => {
  assert.deepEqual(readdirSync(outside), ['key'], 'nothing was made on the host');
  assert.equal(readFileSync(join(outside, 'key'), 'utf8'), 'host key');
  rmSync(dir, { recursive: true });
});

async function using(bundle: Bundle, work: (bundle: Bundle) => unknown): Promise<void> {
  try {
    writeFileSync(bundle.guest.inside('attacker'), attacker, { mode: 0o755 });
    await work(bundle);
  } finally {
    bundle.close();
  }
}

type Mount = Config['mounts'][number];

const bind = (source: string, destination: string): Mount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind'],
});

/** Exchanges a folder and a link, as a neighbour with the same volume would, until it is stopped. */
async function swapping(folder: string, target: string, work: () => unknown): Promise<void> {
  const swapper: ChildProcess = spawn(join(dir, 'attacker'), ['swap', folder, target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((started) => swapper.stdout?.once('data', started));
  try {
    await work();
  } finally {
    const ended = new Promise((done) => swapper.once('exit', done));
    swapper.kill('SIGKILL');
    await ended;
  }
}

test('CVE-2021-30465: a mount in a shared folder that becomes a link of the host lands in the container or nowhere', () =>
  using(new Bundle('list', '/v/dir', ',', 'cat', '/v/dir/key'), async (b) => {
    const shared = join(dir, 'shared');
    mkdirSync(join(shared, 'dir'), { recursive: true });
    b.config.mounts.push(bind(shared, '/v'), {
      destination: '/v/dir/mnt',
      type: 'tmpfs',
      source: 'tmpfs',
    });
    let started = 0;
    await swapping(join(shared, 'dir'), outside, () => {
      for (let attempt = 0; attempt < 40; attempt++) {
        const { code, stdout } = b.run('run', b.id);
        assert.doesNotMatch(stdout, /host key/);
        if (code === 0) started++;
      }
    });
    assert.ok(started > 0);
  }));

test('CVE-2021-41089: a device in a shared folder that becomes a link changes no mode of the host', () =>
  using(new Bundle('id'), async (b) => {
    const shared = join(dir, 'devices');
    mkdirSync(shared);
    b.config.mounts.push(bind(shared, '/v'));
    b.config.linux.devices = [
      { path: '/v/node', type: 'c', major: 1, minor: 3, fileMode: 0o777, uid: 99, gid: 99 },
    ];
    b.must('run', b.id);
    assert.equal(statSync(join(shared, 'node')).uid, 99, 'the device is there from now on');
    let refused = 0;
    await swapping(join(shared, 'node'), join(outside, 'key'), () => {
      for (let attempt = 0; attempt < 40; attempt++) refused += b.run('run', b.id).code === 0 ? 0 : 1;
    });
    assert.ok(refused > 0, 'it was a link at times');
    const { mode, uid } = statSync(join(outside, 'key'));
    assert.deepEqual([mode & 0o777, uid], [0o640, 0]);
  }));

test('CVE-2025-52565: the terminal of a container whose /dev is full of links is its own', () =>
  using(new Bundle('tty', ',', 'stat', '/dev/console'), async (b) => {
    const dev = join(dir, 'dev');
    mkdirSync(join(dev, 'pts'), { recursive: true });
    b.config.process.terminal = true;
    b.config.mounts = b.config.mounts.map((mount: Mount) =>
      mount.destination === '/dev' ? bind(dev, '/dev') : mount,
    );
    for (const name of ['console', 'ptmx', 'null'])
      b.guest
        .link('etc/hosts', join(outside, 'key'))
        .link(`../${dir.split('/').at(-1)}/dev/${name}`, join(outside, 'key'));
    const socket = join(dir, 'console.sock');
    const server = createServer((client) => client.destroy()).listen(socket);
    await new Promise((listening) => server.once('listening', listening));
    const { code, stderr } = b.run('run', '--console-socket', socket, b.id);
    server.close();
    assert.notEqual(code, 0);
    assert.match(stderr, /console|terminal|null|ptmx/);
  }));

test('CVE-2025-52881, CVE-2019-19921: no mount covers /proc, not one whose options are too long for the new mount calls either', () =>
  using(new Bundle('id'), (b) => {
    const long = join(dir, 'l'.repeat(200), 'o'.repeat(100));
    mkdirSync(long, { recursive: true });
    const overlay = { type: 'overlay', source: 'overlay', options: [`lowerdir=${long}:${b.guest.path}`] };
    b.config.mounts.push({ destination: '/fine', ...overlay });
    assert.match(b.must('run', b.id), /uid=0/, 'such a mount works elsewhere');
    for (const destination of ['/proc', '/proc/self/attr', '/proc/sys'])
      for (const first of [true, false]) {
        const mounts = b.config.mounts.filter((mount: Mount) => mount.type !== 'overlay');
        b.config.mounts = first
          ? [{ destination, ...overlay }, ...mounts]
          : [...mounts, { destination, ...overlay }];
        const { code, stderr } = b.run('run', b.id);
        if (destination === '/proc' || !first) assert.match(stderr, /cannot be mounted because it is/);
        else assert.ok(code === 0 || stderr !== '', 'covered by the real /proc, or refused');
      }
  }));

test('CVE-2022-24769, CVE-2022-27650: nothing is inheritable unless config.json names it', () =>
  using(new Bundle('cat', '/proc/self/status'), (b) => {
    assert.match(b.must('run', b.id), /^CapInh:\s+0+\n[\s\S]*^CapAmb:\s+0+\n/m);
    b.config.process.user = { uid: 1000, gid: 1001 };
    assert.match(b.must('run', b.id), /^CapInh:\s+0+\n[\s\S]*^CapAmb:\s+0+\n/m);
  }));

test('CVE-2026-30892: exec -u takes numbers alone, and what it does not understand is not root', () =>
  using(new Bundle('sleep', '60000'), (b) => {
    b.config.process.args = ['/guest', 'sleep', '60000'];
    b.must('run', '--detach', b.id);
    for (const user of [
      '',
      'app',
      '1000:',
      ':0',
      '1000:app',
      '+1',
      ' 1',
      '0x3e8',
      '-1',
      '4294967295',
      '4294967296',
      '1000 0',
    ]) {
      const { code, stdout } = b.run('exec', '-u', user, b.id, '/guest', 'id');
      assert.notEqual(code, 0, `"${user}" ran as ${stdout}`);
      assert.equal(stdout, '');
    }
    assert.match(b.must('exec', '-u', '1000', b.id, '/guest', 'id'), /^uid=1000 /);
    assert.match(b.must('exec', '-u', '1000:1001', b.id, '/guest', 'id'), /^uid=1000 gid=1001 groups=1001/);
  }));

test('CVE-2022-36109, GO-2025-3528: groups and users are those of config.json, or it is refused', () =>
  using(new Bundle('id'), (b) => {
    b.config.process.user = { uid: 1000, gid: 1001, additionalGids: [33] };
    assert.equal(b.must('run', b.id), 'uid=1000 gid=1001 groups=33,1001\n');
    for (const user of [
      { uid: 2 ** 32, gid: 0 },
      { uid: 2 ** 32 - 1, gid: 0 },
      { uid: -1, gid: 0 },
      { uid: 1, gid: 2 ** 32 },
    ]) {
      b.config.process.user = user;
      assert.equal(b.run('run', b.id).stdout, '');
    }
  }));

test('CVE-2022-0492: no release agent is in reach', () =>
  using(new Bundle('id'), (b) => {
    b.config.process.args = ['/attacker', 'escape'];
    const lines = b.run('run', b.id).stdout.trim().split('\n');
    assert.ok(
      lines.some((line) => line.startsWith('cgroup.procs: Read-only')),
      lines.join('\n'),
    );
    const had = lines.filter((line) => line.endsWith(': ok') || line.startsWith('release_agent'));
    // Without a filter it may have namespaces of its own, and no hierarchy of groups in them.
    assert.deepEqual(had, ['unshare: ok']);
  }));

test('CVE-2019-5736, CVE-2016-9962: execs give a program that watches for them nothing to hold', () =>
  using(new Bundle('id'), async (b) => {
    b.config.process.args = ['/attacker', 'spy', '3'];
    const output = openSync(join(dir, 'spied'), 'w');
    b.run('list'); // writes config.json
    const words = ['--root', b.path('state'), 'create', '--bundle', b.path('bundle'), b.id];
    assert.equal(spawnSync(runtimeBinary, words, { stdio: ['ignore', output, output] }).status, 0);
    closeSync(output);
    b.must('start', b.id);
    let execs = 0;
    while (b.state()['status'] === 'running' && b.run('exec', b.id, '/guest', 'pid').code === 0) execs++;
    await b.until('stopped');
    const seen = readFileSync(join(dir, 'spied'), 'utf8');
    assert.ok(execs > 5, `${execs} execs`);
    assert.match(seen, /^seen 1 got 0$/m);
  }));

test('what a bundle leaves open for others on the host is for its owner alone', () =>
  using(new Bundle('sleep', '60000'), (b) => {
    b.must('create', b.id);
    const socket = join(b.path('state'), b.id, 'start.sock');
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    chmodSync(b.path('state'), 0o711);
    assert.ok(existsSync(socket));
  }));
