// docker cp, export, diff and copy-up through the real engine: whose files they are, and that no link leads out of a container.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { plainOnly } from './config.ts';
import { type CliResult, eventually, guestTar, TestEngine } from './engine-harness.ts';
import { type Entry, makeTar } from './make-tar.ts';
import { rawRequest } from './raw-request.ts';

let engine: TestEngine;
let out: string;

/** Owners, modes, links, an opaque folder and a whiteout: what a real image has. */
const upper: Entry[] = [
  { name: 'srv/', type: '5', mode: 0o750, uid: 7, gid: 8 },
  { name: 'srv/app/', type: '5', mode: 0o2775, uid: 1000, gid: 1001 },
  {
    name: 'srv/app/file',
    mode: 0o640,
    uid: 1000,
    gid: 1001,
    mtime: 1_000_000_000,
    content: 'from the image',
  },
  { name: 'srv/app/hard', type: '1', link: 'srv/app/file' },
  { name: 'srv/app/soft', type: '2', link: 'file' },
  { name: 'srv/out', type: '2', link: '../../../../../../../etc/hostname' },
  { name: 'srv/abs', type: '2', link: '/srv/app/file' },
  { name: 'gone/', type: '5' },
  { name: 'gone/.wh..wh..opq' },
  { name: 'gone/new', content: 'new' },
];

before(async () => {
  engine = await TestEngine.start(`c${randomBytes(3).toString('hex')}`);
  out = join(engine.dir, 'out');
  mkdirSync(out);
  const lower = await engine.client.makeLayer(
    Readable.from([
      makeTar([
        { name: 'gone/', type: '5' },
        { name: 'gone/old', content: 'old' },
      ]),
    ]),
  );
  const layer = await engine.client.makeLayer(Readable.from([makeTar(upper)]));
  const { status } = await rawRequest(engine.socketPath, 'POST', '/berth/images', {
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/guest', 'sleep', '600000'], Volumes: { '/gone': {} } },
    },
    layers: [engine.layer, lower.diffId, layer.diffId],
    tags: ['files'],
  });
  assert.equal(status, 201);
});

after(async () => {
  await engine.close();
});

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function refused(...args: string[]): Promise<CliResult> {
  const result = await engine.docker(args);
  assert.notEqual(result.code, 0, `docker ${args.join(' ')} was not refused: ${result.stdout}`);
  return result;
}

/** The three lives of a container that files are copied to and from. */
const lives = [
  { life: 'never started', make: async (...args: string[]) => (await docker('create', ...args)).trim() },
  { life: 'running', make: async (...args: string[]) => (await docker('run', '-d', ...args)).trim() },
  {
    life: 'stopped',
    make: async (...args: string[]) => {
      const id = (await docker('run', '-d', ...args)).trim();
      await docker('kill', id);
      await docker('wait', id);
      return id;
    },
  },
];

for (const { life, make } of lives) {
  describe(`a container that is ${life}`, () => {
    let id: string;
    before(async () => {
      id = await make('-v', `vol-${life.replace(' ', '-')}:/vol`, '--tmpfs', '/memory', 'files');
    });
    after(async () => {
      await docker('rm', '-fv', id);
    });

    test('gives files, folders and links with their modes and times', async () => {
      const to = join(out, randomBytes(4).toString('hex'));
      await docker('cp', `${id}:/srv/app`, to);
      assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'from the image');
      assert.equal(statSync(join(to, 'file')).mode & 0o7777, 0o640);
      assert.equal(statSync(join(to, 'file')).mtimeMs, 1_000_000_000_000);
      assert.equal(statSync(join(to, 'file')).ino, statSync(join(to, 'hard')).ino);
      assert.equal(readlinkSync(join(to, 'soft')), 'file');
      await docker('cp', `${id}:/srv/app/soft`, join(to, 'link'));
      assert.ok(lstatSync(join(to, 'link')).isSymbolicLink());
      await docker('cp', '-L', `${id}:/srv/abs`, join(to, 'followed'));
      assert.equal(readFileSync(join(to, 'followed'), 'utf8'), 'from the image');
      mkdirSync(join(to, 'into'));
      await docker('cp', `${id}:/srv/app/.`, join(to, 'into'));
      assert.ok(existsSync(join(to, 'into/file')));
      await docker('cp', `${id}:/srv/app`, join(to, 'into'));
      assert.ok(existsSync(join(to, 'into/app/file')));
      assert.match(
        (await refused('cp', `${id}:/no/such`, to)).stderr,
        /Could not find the file \/no\/such in container/,
      );
    });

    test('takes files and folders, whose owners it sees as they were sent', async () => {
      const from = join(out, randomBytes(4).toString('hex'));
      mkdirSync(from);
      writeFileSync(join(from, 'sent'), 'sent', { mode: 0o600 });
      symlinkSync('sent', join(from, 'link'));
      await docker('cp', from, `${id}:/tmp/folder`);
      await docker('cp', join(from, 'sent'), `${id}:/tmp/renamed`);
      await docker('cp', `${from}/.`, `${id}:/vol`);
      await docker('cp', join(from, 'sent'), `${id}:/etc/`);
      const tar = execFileSync('sh', [
        '-c',
        `docker -H unix://${engine.socketPath} cp -a ${id}:/tmp - | tar -tvf - --numeric-owner`,
      ]).toString();
      assert.match(tar, /-rw------- 0\/0 +4 .* tmp\/folder\/sent\n/);
      assert.match(tar, /lrwxrwxrwx 0\/0 +0 .* tmp\/folder\/link -> sent\n/);
      assert.match(tar, /-rw------- 0\/0 +4 .* tmp\/renamed\n/);
      const volume = join(engine.root, 'volumes', `vol-${life.replace(' ', '-')}`, '_data/sent');
      assert.equal(readFileSync(volume, 'utf8'), 'sent');
      assert.equal(statSync(volume).uid, 0, 'on disk every volume has the owners that containers see');
      if (life !== 'running') await docker('start', id);
      const seen = await docker(
        'exec',
        id,
        '/guest',
        'stat',
        '/tmp/folder/sent',
        ',',
        'stat',
        '/vol/sent',
        ',',
        'cat',
        '/etc/sent',
      );
      assert.equal(
        seen,
        '/tmp/folder/sent: mode 100600 uid 0 gid 0 rdev 0:0\n/vol/sent: mode 100600 uid 0 gid 0 rdev 0:0\nsent',
      );
      if (life !== 'running') await docker('kill', id);
    });

    test('takes a tar from standard input, with the owners that it names', async () => {
      const tar = makeTar([
        { name: 'd/', type: '5', uid: 5, gid: 6, mode: 0o701 },
        { name: 'd/f', uid: 1000, gid: 1001, mode: 0o4755, content: 'x' },
        { name: '/absolute', uid: 3_000_000, content: 'a' },
      ]);
      const { status, body } = await rawRequest(
        engine.socketPath,
        'PUT',
        `/v1.47/containers/${id}/archive?path=/tmp`,
        tar,
      );
      assert.equal(status, 200, body.toString());
      const { body: answer } = await rawRequest(
        engine.socketPath,
        'GET',
        `/containers/${id}/archive?path=/tmp`,
      );
      const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: answer }).toString();
      assert.match(listed, /drwx-----x 5\/6 .* tmp\/d\/\n/);
      assert.match(listed, /-rwsr-xr-x 1000\/1001 +1 .* tmp\/d\/f\n/);
      assert.match(
        listed,
        /-rw-r--r-- 0\/0 +1 .* tmp\/absolute\n/,
        'an owner that the container cannot have becomes root',
      );
    });

    test('a folder does not make way for a file, nor a file for a folder', async () => {
      const from = join(out, randomBytes(4).toString('hex'));
      mkdirSync(join(from, 'passwd'), { recursive: true });
      writeFileSync(join(from, 'app'), 'a file');
      assert.match(
        (await refused('cp', join(from, 'app'), `${id}:/srv/`)).stderr,
        /cannot overwrite directory "app" with non-directory/,
      );
      assert.match(
        (await refused('cp', join(from, 'passwd'), `${id}:/etc/`)).stderr,
        /cannot overwrite non-directory "passwd" with directory/,
      );
    });

    test('CVE-2018-15664: a link in the container leads to the container’s own files, not to the host’s', async () => {
      const marker = join(engine.dir, 'secret');
      writeFileSync(marker, 'of the host');
      const tar = makeTar([
        { name: 'evil', type: '2', link: engine.dir },
        { name: 'up', type: '2', link: '../../../../../..' },
      ]);
      await rawRequest(engine.socketPath, 'PUT', `/containers/${id}/archive?path=/tmp`, tar);
      assert.match(
        (await refused('cp', `${id}:/tmp/evil/secret`, join(out, 'stolen'))).stderr,
        /Could not find the file/,
      );
      assert.match(
        (await refused('cp', marker, `${id}:/tmp/evil/planted`)).stderr,
        /Could not find the file|not found|no such/i,
      );
      await docker('cp', '-L', `${id}:/srv/out`, join(out, `own-${id}`));
      assert.equal(readFileSync(join(out, `own-${id}`), 'utf8'), `${id.slice(0, 12)}\n`);
      assert.match(
        (await refused('cp', `${id}:/tmp/up${engine.dir}/secret`, join(out, 'stolen'))).stderr,
        /Could not find the file/,
      );
      assert.equal(existsSync(join(engine.dir, 'planted')), false);
      assert.equal(existsSync(join(out, 'stolen')), false);
    });

    test('CVE-2021-41089, CVE-2021-32760, CVE-2026-17106: an archive cannot write or change a mode outside its folder through links it brings', async () => {
      const attacks: Entry[][] = [
        [
          { name: 'l', type: '2', link: '/etc' },
          { name: 'l/passwd', content: 'pwned' },
        ],
        [
          { name: 'l2', type: '2', link: '../etc' },
          { name: 'l2/passwd', content: 'pwned' },
        ],
        [{ name: '../etc/passwd', content: 'pwned' }],
        [{ name: 'd/../../etc/passwd', content: 'pwned' }],
        [{ name: 'h', type: '1', link: '../etc/passwd' }],
        [
          { name: 'l3', type: '2', link: '../etc' },
          { name: 'h', type: '1', link: 'l3/passwd' },
        ],
        [
          { name: 'l4', type: '2', link: '/etc/passwd' },
          { name: 'l4/', type: '5', mode: 0o777 },
        ],
        [{ name: 'dev', type: '3', device: [1, 3] }],
      ];
      for (const entries of attacks) {
        const { status, body } = await rawRequest(
          engine.socketPath,
          'PUT',
          `/containers/${id}/archive?path=/srv/app&noOverwriteDirNonDir=1`,
          makeTar(entries),
        );
        assert.equal(status, 400, `${JSON.stringify(entries)}: ${body}`);
      }
      const { body } = await rawRequest(
        engine.socketPath,
        'GET',
        `/containers/${id}/archive?path=/etc/passwd`,
      );
      const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: body }).toString();
      assert.match(listed, /^-rw-r--r-- 0\/0 /);
      assert.doesNotMatch(body.toString('latin1'), /pwned/);
    });
  });
}

test('cp sees what a running container sees: its memory and its mounts, and nothing that the kernel invents', async () => {
  const id = (
    await docker(
      'run',
      '-d',
      '--tmpfs',
      '/memory',
      'files',
      '/guest',
      'write',
      '/memory/x',
      'in memory',
      ',',
      'sleep',
      '600000',
    )
  ).trim();
  await eventually('it wrote', async () => (await docker('logs', id)).includes('ok'));
  await docker('cp', `${id}:/memory/x`, join(out, 'memory'));
  assert.equal(readFileSync(join(out, 'memory'), 'utf8'), 'in memory');
  assert.match(
    (await refused('cp', `${id}:/proc/1/environ`, join(out, 'environ'))).stderr,
    /Could not find the file/,
  );
  const { body } = await rawRequest(engine.socketPath, 'GET', `/containers/${id}/archive?path=/`);
  const names = execFileSync('tar', ['-tPf', '-'], { input: body, maxBuffer: 1 << 26 })
    .toString()
    .split('\n');
  assert.ok(names.includes('/memory/x') && names.includes('/etc/hosts') && names.includes('/proc/'));
  assert.deepEqual(
    names.filter((name) => /^\/(proc|sys)\/./.test(name) && !name.startsWith('/sys/fs')),
    [],
  );
  await docker('rm', '-f', id);
});

test('CVE-2018-15664: a container that swaps a folder for a link while a copy runs never reaches the host', async () => {
  const id = (await docker('run', '-d', '--userns=host', 'files')).trim();
  const { State } = await engine.client.inspectContainer(id);
  const inside = `/proc/${State.Pid}/root/tmp`;
  const marker = join(engine.dir, 'never');
  mkdirSync(marker);
  let racing = true;
  const race = (async () => {
    symlinkSync(marker, join(inside, 'link'));
    mkdirSync(join(inside, 'folder'));
    while (racing) {
      for (const [from, to] of [
        ['folder', 'x'],
        ['link', 'folder'],
        ['folder', 'link'],
        ['x', 'folder'],
      ] as const)
        renameSync(join(inside, from), join(inside, to));
      await new Promise(setImmediate);
    }
  })();
  const tar = makeTar([{ name: 'planted', content: 'x' }]);
  const put = () => rawRequest(engine.socketPath, 'PUT', `/containers/${id}/archive?path=/tmp/folder`, tar);
  for (let round = 0; round < 40; round++) await Promise.all([put(), put()]);
  racing = false;
  await race;
  assert.equal(existsSync(join(marker, 'planted')), false);
  await docker('rm', '-f', id);
});

test('a paused container gives and takes files, and stays paused', async () => {
  writeFileSync(join(out, 'still'), 'x');
  const id = (await docker('run', '-d', 'files')).trim();
  await docker('pause', id);
  await docker('cp', join(out, 'still'), `${id}:/tmp/still`);
  await docker('cp', `${id}:/srv/app/file`, join(out, 'from-paused'));
  assert.equal(await docker('inspect', '-f', '{{.State.Status}}', id), 'paused\n');
  await docker('unpause', id);
  assert.equal(await docker('exec', id, '/guest', 'cat', '/tmp/still'), 'x');
  await docker('rm', '-f', id);
});

test('CVE-2019-14271: no library of the container is loaded by a copy', { skip: plainOnly }, async () => {
  // The helper is one static program: it has no loader, so there is nothing a container could put in its way.
  const helper = readFileSync(`/proc/${engine.helperPid}/maps`, 'utf8');
  assert.doesNotMatch(helper, /\.so/);
});

test('a read-only root or volume takes no copy, and its files can be read', async () => {
  writeFileSync(join(out, 'ro'), 'x');
  for (const command of ['create', 'run'] as const) {
    const id = (
      await docker(
        command,
        ...(command === 'run' ? ['-d'] : []),
        '--read-only',
        '-v',
        'rov:/rov:ro',
        '-v',
        'rwv:/rwv',
        'files',
      )
    ).trim();
    assert.match((await refused('cp', join(out, 'ro'), `${id}:/tmp/`)).stderr, /marked read-only/);
    assert.match((await refused('cp', join(out, 'ro'), `${id}:/rov/`)).stderr, /marked read-only/);
    await docker('cp', join(out, 'ro'), `${id}:/rwv/`);
    await docker('cp', `${id}:/srv/app/file`, join(out, 'read'));
    await docker('rm', '-fv', id);
  }
  await docker('volume', 'rm', 'rov', 'rwv');
});

test('cp -a into a container gives the files to the user it runs as', async () => {
  writeFileSync(join(out, 'mine'), 'x');
  const id = (await docker('run', '-d', '-u', 'app', 'files')).trim();
  await docker('cp', '-a', join(out, 'mine'), `${id}:/tmp/mine`);
  assert.match(await docker('exec', id, '/guest', 'stat', '/tmp/mine'), /uid 1000 gid 1001/);
  await docker('rm', '-f', id);
});

describe('copy-up', () => {
  test('a new volume gets the image’s files, owners and modes; one with files and nocopy get none', async () => {
    const look = [
      'files',
      '/guest',
      'stat',
      '/srv/app',
      ',',
      'stat',
      '/srv/app/file',
      ',',
      'cat',
      '/srv/app/soft',
    ];
    const wanted =
      '/srv/app: mode 42775 uid 1000 gid 1001 rdev 0:0\n/srv/app/file: mode 100640 uid 1000 gid 1001 rdev 0:0\nfrom the image';
    assert.equal(await docker('run', '--rm', '-v', 'filled:/srv/app', ...look), wanted);
    assert.equal(
      await docker('run', '--rm', '-v', 'filled:/srv/app', '--userns=host', ...look),
      wanted,
      'the same owners in another user namespace',
    );
    const elsewhere = await docker('run', '--rm', '-v', 'filled:/gone', 'files', '/guest', 'list', '/gone');
    assert.deepEqual(elsewhere.split('\n').sort(), ['', 'file', 'hard', 'soft']);
    assert.equal(
      await docker('run', '--rm', '-v', 'bare:/srv/app:nocopy', 'files', '/guest', 'list', '/srv/app'),
      '',
    );
    await docker('volume', 'rm', 'filled', 'bare');
  });

  test('the image’s VOLUME is an anonymous volume with what the image shows there', async () => {
    const before = await docker('volume', 'ls', '-q');
    assert.equal(await docker('run', '--rm', 'files', '/guest', 'list', '/gone'), 'new\n');
    assert.equal(await docker('volume', 'ls', '-q'), before);
  });

  test('a link at the mount point is followed inside the image only', async () => {
    await docker('run', '--rm', '-v', 'linked:/srv/out', 'guest', '/guest', 'id');
    assert.match(
      (await refused('run', '--rm', '-v', 'linked2:/srv/out', 'files', '/guest', 'id')).stderr,
      /.*/,
    );
    assert.deepEqual(readFileSync('/etc/hostname').length > 0, true);
    await docker('volume', 'rm', '-f', 'linked', 'linked2');
  });
});

describe('diff and export', () => {
  test('diff shows what was added, changed and deleted, and none of the engine’s own mount points', async () => {
    const name = `d${randomBytes(3).toString('hex')}`;
    await docker(
      'run',
      '-d',
      '--name',
      name,
      '-v',
      '/anon',
      'guest',
      '/guest',
      'write',
      '/tmp/new',
      ',',
      'write',
      '/etc/passwd',
      'x',
      ',',
      'sleep',
      '600000',
    );
    await eventually('it wrote', async () => (await docker('logs', name)).includes('/etc/passwd: ok'));
    const wanted = 'C /etc\nC /etc/passwd\nC /tmp\nA /tmp/new\n';
    assert.equal((await docker('diff', name)).replace('C /etc\n', ''), wanted.replace('C /etc\n', ''));
    await docker('kill', name);
    await docker('wait', name);
    assert.equal((await docker('diff', name)).replace('C /etc\n', ''), wanted.replace('C /etc\n', ''));
    await docker('rm', '-v', name);
  });

  test('export gives the whole file system as its processes own it, without volumes, of running and stopped containers', async () => {
    for (const [how, ...command] of [['create'], ['run', '-d']] as const) {
      const id = (await docker(how, ...command, '-v', 'exported:/srv/app', 'files')).trim();
      const path = join(out, `${how}.tar`);
      await docker('export', '-o', path, id);
      const listed = execFileSync('tar', ['-tvf', path, '--numeric-owner']).toString();
      assert.match(listed, /drwxr-x--- 7\/8 .* srv\/\n/);
      assert.match(listed, /-rw-r----- 1000\/1001 +14 .* srv\/app\/file\n/);
      assert.match(listed, / gone\/new\n/);
      assert.doesNotMatch(listed, /gone\/old|\.wh\./);
      await docker('rm', '-f', id);
      rmSync(path);
    }
    await docker('volume', 'rm', 'exported');
  });
});

test('a file of an image is read as a container would see it, opaque folders and whiteouts included', async () => {
  const image = (await docker('image', 'inspect', '-f', '{{.Id}}', 'files')).trim();
  assert.equal(await engine.client.readImageFile(image, '/gone/new'), 'new');
  assert.equal(await engine.client.readImageFile(image, '/gone/old'), undefined);
  assert.equal(await engine.client.readImageFile(image, '/srv/abs'), 'from the image');
  assert.equal(await engine.client.readImageFile(image, '/srv/out'), undefined);
  await assert.rejects(engine.client.readImageFile(image, '/srv'), /cannot read/);
});

test('100 MB go in and come out unchanged, with holes and long names', async () => {
  const from = join(out, 'big');
  mkdirSync(from);
  writeFileSync(join(from, 'data'), randomBytes(100 << 20));
  writeFileSync(join(from, 'n'.repeat(200)), 'long');
  const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  const id = (await docker('run', '-d', 'files')).trim();
  const started = performance.now();
  await docker('cp', from, `${id}:/tmp/`);
  const inMs = performance.now() - started;
  await docker('cp', `${id}:/tmp/big`, join(out, 'back'));
  const outMs = performance.now() - started - inMs;
  assert.equal(digest(join(out, 'back/data')), digest(join(from, 'data')));
  assert.equal(readFileSync(join(out, 'back', 'n'.repeat(200)), 'utf8'), 'long');
  assert.ok(inMs < 10_000 && outMs < 10_000, `100 MB took ${inMs} ms in and ${outMs} ms out`);
  await docker('rm', '-f', id);
});

test('a client that goes away in the middle of a copy leaves nothing behind, and the container can be started', async () => {
  const id = (await docker('create', 'files')).trim();
  const half = makeTar([{ name: 'half', size: 1 << 20 }]);
  const { status } = await rawRequest(engine.socketPath, 'PUT', `/containers/${id}/archive?path=/tmp`, half);
  assert.equal(status, 400);
  await docker('start', id);
  await docker('rm', '-f', id);
  assert.equal(guestTar(engine.dir).length > 0, true);
});
