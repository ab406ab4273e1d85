// Images and volumes that were made to break out when a container starts, runs a command or gets a terminal: links in the place of what the
// engine mounts, working directories behind descriptors, folders that change while they are mounted on.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { nativeDir } from '../config.ts';
import { eventually, TestEngine } from '../engine-harness.ts';
import { makeHostileImage } from './hostile-image.ts';

let engine: TestEngine;
/** A folder of the host that nothing in a container may see, change or mount on. */
let outside: string;
let layers: string[];

before(async () => {
  engine = await TestEngine.start('shos');
  outside = join(engine.dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'key'), 'host key');
  const up = (path: string) => '../'.repeat(12) + path.slice(1);
  layers = await makeHostileImage(engine, 'links', [
    { name: 'dev/null', type: '2', link: join(outside, 'key') },
    { name: 'dev/console', type: '2', link: join(outside, 'key') },
    { name: 'dev/pts', type: '2', link: outside },
    { name: 'dev/ptmx', type: '2', link: join(outside, 'key') },
    { name: 'dev/shm', type: '2', link: outside },
    { name: 'proc/kcore', type: '2', link: up(join(outside, 'key')) },
    { name: 'etc/hosts', type: '2', link: join(outside, 'key') },
    { name: 'etc/resolv.conf', type: '2', link: up(join(outside, 'key')) },
    { name: 'work', type: '2', link: outside },
    { name: 'data', type: '2', link: outside },
    { name: 'self', type: '2', link: '/proc/self/exe' },
    { name: 'script', mode: 0o755, content: '#!/proc/self/exe\n' },
  ]);
});

after(async () => {
  assert.deepEqual(readdirSync(outside), ['key'], 'nothing was made on the host');
  assert.equal(readFileSync(join(outside, 'key'), 'utf8'), 'host key');
  await engine.close();
});

const run = (...args: string[]) => engine.docker(['run', '--rm', ...args]);

describe('links of an image', () => {
  test('CVE-2025-31133: what hides and what is hidden is never behind a link', async () => {
    const steps =
      'cat /proc/timer_list , cat /proc/keys , stat /dev/null , write /proc/sys/kernel/hostname x'.split(' ');
    const { stdout } = await run('links', '/guest', ...steps);
    assert.match(
      stdout,
      /^\/dev\/null: mode 20666 .* rdev 1:3\n\/proc\/sys\/kernel\/hostname: (Read-only file system|Permission denied)\n$/,
    );
  });

  test('CVE-2025-52565: a terminal is a terminal, and the console is its own', async () => {
    const { stdout } = await run(
      '-t',
      'links',
      '/guest',
      'tty',
      ',',
      'stat',
      '/dev/console',
      ',',
      'list',
      '/dev/pts',
    );
    assert.match(stdout, /tty 1 .*leader 1\r\n\/dev\/console: mode 20\d+ .* rdev 136:0\r\n/);
  });

  test('CVE-2025-52565: a program that puts links in the place of devices gets no terminal of another', async (t) => {
    for (const [path, target] of [
      ['/dev/ptmx', '/dev/null'],
      ['/dev/console', '/etc/passwd'],
    ] as const) {
      const id = await engine.runDetached(['/attacker', 'plant', path, target], { Image: 'links' });
      t.after(() => engine.client.removeContainer(id, { force: true }));
      await eventually('it is planted', async () => (await engine.output(id)).includes('planted'));
      const { stdout } = await engine.docker(['exec', '-t', id, '/guest', 'tty']);
      assert.match(stdout, /^tty 1 \/dev\/pts\/\d+/);
    }
  });

  test('the files that the engine mounts are seen in the container, wherever the image leads', async () => {
    const { stdout } = await run(
      '--hostname',
      'named',
      'links',
      '/guest',
      'cat',
      '/etc/hosts',
      ',',
      'cat',
      '/etc/resolv.conf',
    );
    assert.match(stdout, /nameserver/, 'both links lead to one place in the container: the last one is seen');
    assert.doesNotMatch(stdout, /host key/);
  });

  test('CVE-2025-52881, CVE-2019-16884: nothing is mounted into /proc, not through a link either', async () => {
    await makeHostileImage(engine, 'proc', [
      { name: 'etc/hostname', type: '2', link: '/proc/self/environ' },
      { name: 'attr', type: '2', link: '/proc/self/attr' },
    ]);
    assert.match((await run('proc', '/guest', 'id')).stderr, /"\/etc\/hostname" lies in \/proc/);
    assert.match(
      (await run('-v', 'svol:/attr', 'links', '/guest', 'id')).stdout,
      /uid=0/,
      'without the link',
    );
    assert.match((await run('--tmpfs', '/proc/self/attr', 'links', '/guest', 'id')).stderr, /\/proc/);
  });

  test('CVE-2021-30465: volumes are mounted inside the image, wherever the image leads', async () => {
    const { stdout } = await run(
      '-v',
      'svol:/data/deep',
      '--tmpfs',
      '/work/t',
      '-w',
      '/work/made',
      'links',
      '/guest',
      'cwd',
      ',',
      'write',
      '/data/deep/f',
      'x',
    );
    assert.equal(stdout, `${outside}/made\n/data/deep/f: ok\n`, 'a folder of that name in the container');
  });

  test('CVE-2022-23648: the volumes that an image names lie in the container', async () => {
    const Volumes = { '/../../../../etc/evil': {}, '/data/v': {} };
    await engine.client.makeImage({
      config: { architecture: 'amd64', os: 'linux', config: { Cmd: [], ...{ Volumes } } },
      layers,
      tags: ['volumes'],
    });
    const { code, stdout, stderr } = await run(
      'volumes',
      '/guest',
      'cat',
      '/etc/evil/passwd',
      ',',
      'list',
      '/data/v',
    );
    assert.doesNotMatch(stdout, /root:|host key/);
    if (code !== 0) assert.match(stderr, /\.\.|absolute|target|bad/);
  });
});

describe('descriptors and programs of the engine', () => {
  test('CVE-2024-21626: no working directory leads out through a descriptor, of an image, a run or an exec', async (t) => {
    const id = await engine.runDetached(['/guest', 'sleep', '60000']);
    t.after(() => engine.client.removeContainer(id, { force: true }));
    for (let fd = 3; fd < 16; fd++) {
      const dir = `/proc/self/fd/${fd}`;
      for (const attempt of [
        await run('-w', dir, 'links', '/guest', 'cwd'),
        await engine.docker(['exec', '-w', dir, id, '/guest', 'cwd']),
      ]) {
        assert.notEqual(attempt.code, 0);
        assert.equal(attempt.stdout, '');
      }
    }
    const config = { architecture: 'amd64', os: 'linux', config: { WorkingDir: '/proc/self/fd/7/../../..' } };
    await engine.client.makeImage({ config, layers, tags: ['cwd'] });
    assert.notEqual((await run('cwd', '/guest', 'list', '.')).code, 0);
  });

  test('CVE-2019-5736: a container that runs /proc/self/exe cannot write the program of the engine', async (t) => {
    const programs = ['berth-shim', 'berth-engine-helper'].map((name) => join(nativeDir, name));
    const before = programs.map((path) => readFileSync(path));
    for (const userns of [[], ['--userns', 'host']])
      for (const command of ['/self', '/proc/self/exe', '/script']) {
        const { stdout } = await run(...userns, 'links', command, 'id');
        assert.doesNotMatch(stdout, /uid=/, 'what runs is not the guest');
      }
    const id = (
      await engine.docker([
        'run',
        '-d',
        '--userns',
        'host',
        '--cap-add',
        'SYS_PTRACE',
        '--init',
        'links',
        '/guest',
        'sleep',
        '60000',
      ])
    ).stdout.trim();
    t.after(() => engine.client.removeContainer(id, { force: true }));
    const { stdout } = await engine.docker(['exec', id, '/attacker', 'open', '/proc/1/exe']);
    assert.match(
      stdout,
      /^\/proc\/1\/exe: (Text file busy|Operation not permitted|Permission denied)\n$/,
      'the init is a sealed copy',
    );
    assert.deepEqual(
      programs.map((path) => readFileSync(path)),
      before,
    );
  });
});

test('CVE-2021-30465: a folder of a shared volume that becomes a link while others mount on it leads nowhere', async (t) => {
  const swapper = await engine.docker(['run', '-d', '-v', 'shared:/v', 'links', '/guest', 'sleep', '60000']);
  const id = swapper.stdout.trim();
  t.after(() => engine.client.removeContainer(id, { force: true }));
  const folder = join(engine.root, 'volumes/shared/_data');
  mkdirSync(join(folder, 'dir'));
  const swap = await engine.docker(['exec', '-d', id, '/attacker', 'swap', '/v/dir', outside]);
  assert.equal(swap.code, 0, swap.stderr);
  await eventually('it swaps', () => Promise.resolve(readdirSync(folder).includes('dir-link')));
  let mounted = 0;
  for (let attempt = 0; attempt < 25; attempt++) {
    const mounts = ['-v', 'shared:/v', '-v', 'inner:/v/dir/mnt', '--tmpfs', '/v/dir/tmp'];
    const { code, stdout } = await run(
      ...mounts,
      'links',
      '/guest',
      'list',
      '/v/dir',
      ',',
      'cat',
      '/v/dir/key',
      ',',
      'list',
      join(outside),
    );
    assert.doesNotMatch(stdout, /host key/);
    if (code === 0) mounted++;
  }
  assert.ok(mounted > 0, 'some were started');
});
