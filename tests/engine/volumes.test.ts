// Volumes and mounts as users of the docker CLI meet them, through the real engine.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CliResult, eventually, TestEngine } from './engine-harness.ts';
import { rawRequest } from './raw-request.ts';

let engine: TestEngine;

before(async () => {
  engine = await TestEngine.start(`v${randomBytes(3).toString('hex')}`);
});

after(async () => {
  await engine.close();
});

/** Runs docker and expects success; gives its output. */
async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await engine.docker(args);
  assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Runs docker and expects a refusal; gives its words. */
async function refused(...args: string[]): Promise<CliResult> {
  const result = await engine.docker(args);
  assert.notEqual(result.code, 0, `docker ${args.join(' ')} was not refused: ${result.stdout}`);
  return result;
}

const guest = (...args: string[]) => docker('run', '--rm', ...args);

describe('docker volume', () => {
  test('create, ls, inspect and rm show a volume as Docker does', async () => {
    assert.equal(await docker('volume', 'create', '--label', 'team=a', 'data1'), 'data1\n');
    assert.equal(await docker('volume', 'create', 'data1'), 'data1\n');
    assert.match(await docker('volume', 'ls'), /^DRIVER {4}VOLUME NAME\nlocal {5}data1\n$/);
    const [shown] = JSON.parse(await docker('volume', 'inspect', 'data1')) as Record<string, unknown>[];
    const { CreatedAt, Mountpoint, ...rest } = shown ?? {};
    assert.ok(Date.parse(String(CreatedAt)) > 0);
    assert.equal(Mountpoint, join(engine.root, 'volumes/data1/_data'));
    assert.deepEqual(rest, {
      Driver: 'local',
      Labels: { team: 'a' },
      Name: 'data1',
      Options: null,
      Scope: 'local',
    });
    assert.equal(await docker('volume', 'rm', 'data1'), 'data1\n');
    assert.match((await refused('volume', 'inspect', 'data1')).stderr, /get data1: no such volume/);
    assert.equal(existsSync(join(engine.root, 'volumes/data1')), false);
  });

  test('ls filters by name, label, driver and dangling', async () => {
    await docker('volume', 'create', '--label', 'k=v', 'one');
    await docker('volume', 'create', 'other');
    await docker('create', '--name', 'holder', '-v', 'one:/d', 'guest', '/guest', 'id');
    const names = async (...filters: string[]) =>
      (await docker('volume', 'ls', '-q', ...filters.flatMap((filter) => ['-f', filter])))
        .split('\n')
        .slice(0, -1);
    assert.deepEqual(await names('name=on'), ['one']);
    assert.deepEqual(await names('label=k=v'), ['one']);
    assert.deepEqual(await names('label=k=w'), []);
    assert.deepEqual(await names('dangling=true'), ['other']);
    assert.deepEqual(await names('dangling=false'), ['one']);
    assert.deepEqual(await names('driver=local'), ['one', 'other']);
    assert.match(
      (await refused('volume', 'rm', 'one')).stderr,
      /remove one: volume is in use - \[[0-9a-f]{64}\]/,
    );
    await docker('rm', 'holder');
    await docker('volume', 'rm', 'one', 'other');
  });

  test('a name that leads elsewhere is refused (the class of CVE-2022-23648)', async () => {
    for (const name of ['../escape', '..', 'a/b', '.hidden', 'x', 'a b', '-dash']) {
      const { status, body } = await rawRequest(engine.socketPath, 'POST', '/volumes/create', { Name: name });
      assert.equal(status, 400, name);
      assert.match(body.toString(), /includes invalid characters|too short/, name);
    }
    assert.match(
      (await refused('run', '--rm', '-v', 'no/such:/x', 'guest', '/guest', 'id')).stderr,
      /includes invalid characters for a local volume name/,
    );
  });

  test('prune takes anonymous volumes, with all=1 every unused one, and says how much that freed', async () => {
    await docker('volume', 'create', 'named');
    const anonymous = (await docker('volume', 'create')).trim();
    assert.match(anonymous, /^[0-9a-f]{64}$/);
    writeFileSync(join(engine.root, 'volumes', anonymous, '_data/file'), Buffer.alloc(10_000));
    const first = await docker('volume', 'prune', '-f');
    assert.match(first, new RegExp(`Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: [\\d.]+kB`));
    assert.match(await docker('volume', 'prune', '-af'), /Deleted Volumes:\nnamed\n/);
    assert.equal(await docker('volume', 'ls', '-q'), '');
  });
});

describe('mounts of a container', () => {
  test('a named volume keeps what one container wrote for the next, whatever their user ranges are', async () => {
    await guest('-v', 'shared:/data', 'guest', '/guest', 'write', '/data/f', 'hello');
    const seen = await guest(
      '-v',
      'shared:/data',
      'guest',
      '/guest',
      'cat',
      '/data/f',
      ',',
      'stat',
      '/data/f',
    );
    assert.match(seen, /^hello.*mode 100644 uid 0 gid 0 /);
    const asUser = await guest('-v', 'shared:/data', '--userns=host', 'guest', '/guest', 'stat', '/data/f');
    assert.match(asUser, /uid 0 gid 0/);
    await docker('volume', 'rm', 'shared');
  });

  test('a read-only volume, a read-only bind and volumes-from :ro cannot be written to', async () => {
    const source = join(engine.dir, 'bound');
    mkdirSync(source);
    await docker(
      'create',
      '--name',
      'first',
      '-v',
      'ro1:/v:ro',
      '-v',
      `${source}:/b:ro`,
      '-v',
      '/anon',
      'guest',
      '/guest',
      'id',
    );
    const tries = ['write', '/v/x', ',', 'write', '/b/x'];
    const said = await guest(
      '--volumes-from',
      'first',
      'guest',
      '/guest',
      ...tries,
      ',',
      'write',
      '/anon/x',
      'y',
    );
    assert.equal(said, '/v/x: Read-only file system\n/b/x: Read-only file system\n/anon/x: ok\n');
    const inherited = await guest(
      '--volumes-from',
      'first:ro',
      'guest',
      '/guest',
      'write',
      '/anon/z',
      ',',
      'cat',
      '/anon/x',
    );
    assert.equal(inherited, '/anon/z: Read-only file system\ny');
    await docker('rm', '-v', 'first');
    assert.equal(await docker('volume', 'ls', '-q'), 'ro1\n');
    await docker('volume', 'rm', 'ro1');
  });

  test('rm -v and --rm take anonymous volumes and leave named ones', async () => {
    await guest('-v', '/anon', '-v', 'kept:/kept', 'guest', '/guest', 'write', '/anon/x');
    assert.equal(await docker('volume', 'ls', '-q'), 'kept\n');
    const id = (await docker('create', '-v', '/anon', 'guest', '/guest', 'id')).trim();
    const [mount] = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', id)) as Record<
      string,
      unknown
    >[];
    assert.match(String(mount?.['Name']), /^[0-9a-f]{64}$/);
    await docker('rm', id);
    assert.equal((await docker('volume', 'ls', '-q')).split('\n').length, 3, 'rm without -v leaves it');
    await docker('volume', 'prune', '-f');
    await docker('volume', 'rm', 'kept');
  });

  test('inspect and ps name each mount', async () => {
    const id = (
      await docker(
        'create',
        '-v',
        'vv:/v',
        '-v',
        '/etc:/host-etc:ro',
        '--mount',
        'type=tmpfs,target=/t',
        '--tmpfs',
        '/t2',
        'guest',
        '/guest',
        'id',
      )
    ).trim();
    // The CLI itself sends several -v in any order.
    const mounts = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', id)) as { Type: string }[];
    const byType = mounts.sort((a, b) => (a.Type < b.Type ? 1 : -1));
    assert.deepEqual(byType, [
      {
        Type: 'volume',
        Name: 'vv',
        Source: join(engine.root, 'volumes/vv/_data'),
        Destination: '/v',
        Driver: 'local',
        Mode: 'z',
        RW: true,
        Propagation: '',
      },
      { Type: 'tmpfs', Source: '', Destination: '/t', Mode: '', RW: true, Propagation: '' },
      {
        Type: 'bind',
        Source: '/etc',
        Destination: '/host-etc',
        Mode: 'ro',
        RW: false,
        Propagation: 'rprivate',
      },
    ]);
    assert.match(await docker('ps', '-a', '--format', '{{.Mounts}}'), /^(vv,\/etc|\/etc,vv),\n$/);
    await docker('rm', id);
    await docker('volume', 'rm', 'vv');
  });

  test('tmpfs takes size, mode and owner, and runs no program unless it may', async () => {
    const info = await guest(
      '--tmpfs',
      '/t:size=1m,mode=700,uid=5,gid=6',
      '--mount',
      'type=tmpfs,dst=/m,tmpfs-size=2m,tmpfs-mode=0750',
      '--tmpfs',
      '/x:exec',
      'guest',
      '/guest',
      'stat',
      '/t',
      ',',
      'stat',
      '/m',
      ',',
      'cat',
      '/proc/self/mountinfo',
    );
    assert.match(info, /\/t: mode 40700 uid 5 gid 6 /);
    assert.match(info, /\/m: mode 40750 uid 0 gid 0 /);
    assert.match(info, / \/t rw,nosuid,nodev,noexec,relatime .*size=1024k/);
    assert.match(info, / \/m rw,nosuid,nodev,noexec,relatime .*size=2048k/);
    assert.match(info, / \/x rw,nosuid,nodev,relatime /);
    assert.match(
      (await refused('run', '--rm', '--tmpfs', '/t:bogus', 'guest', '/guest', 'id')).stderr,
      /invalid tmpfs option/,
    );
  });

  test('a subpath shows a folder of the volume and never leads out of it', async () => {
    await guest('-v', 'tree:/v', 'guest', '/guest', 'write', '/v/top');
    const data = join(engine.root, 'volumes/tree/_data');
    mkdirSync(join(data, 'a/b'), { recursive: true });
    writeFileSync(join(data, 'a/b/deep'), 'deep');
    const mount = (subpath: string) => [
      '--mount',
      `type=volume,src=tree,dst=/s,volume-subpath=${subpath}`,
      'guest',
      '/guest',
      'list',
      '/s',
    ];
    assert.equal(await guest(...mount('a/b')), 'deep\n');
    assert.match((await refused('run', '--rm', ...mount('none'))).stderr, /subpath "none"/);
    assert.match((await refused('run', '--rm', ...mount('../../..'))).stderr, /subpath/);
    symlinkSync('/etc', join(data, 'link'));
    assert.match((await refused('run', '--rm', ...mount('link'))).stderr, /subpath "link"/);
    await docker('volume', 'rm', 'tree');
  });

  test('what is wrong with a mount is said in words people know', async () => {
    const wrong: [string[], RegExp][] = [
      [['-v', '/a:/x', '-v', '/b:/x'], /Duplicate mount point: \/x/],
      [['-v', 'vol:/'], /destination can't be '\/'/],
      [['-v', 'vol:/x:bogus'], /invalid mode: bogus/],
      [
        ['--mount', 'type=bind,src=/no/such/path,dst=/x'],
        /bind source path does not exist: \/no\/such\/path/,
      ],
      [['--volumes-from', 'nobody'], /[Nn]o such container/],
      [['--volume-driver', 'nfs', '-v', 'vol:/x'], /plugin "nfs" not found/],
    ];
    for (const [args, words] of wrong) {
      const { stderr, code } = await refused('run', '--rm', ...args, 'guest', '/guest', 'id');
      assert.match(stderr, words);
      assert.equal(code, 125);
    }
    assert.equal(await docker('volume', 'ls', '-q'), '');
    assert.equal(await docker('ps', '-aq'), '');
  });
});

test('the whole host can be shown, and a filesystem that cannot map owners says what to write instead', async () => {
  assert.match(await guest('-v', '/:/host:ro', 'guest', '/guest', 'list', '/host/etc'), /\bpasswd\b/);
  const { stderr } = await refused('run', '--rm', '-v', '/dev:/host:ro', 'guest', '/guest', 'id');
  assert.match(stderr, /the filesystem of "\/dev" cannot map owners; bind it with the option "noidmap"/);
  assert.match(await guest('-v', '/dev:/host:ro,noidmap', 'guest', '/guest', 'id'), /uid=0/);
});

test('a mount that the host makes below a bind is seen by a slave, not by a private one, and one that cannot be is refused', async () => {
  const dir = join(engine.dir, 'passed on');
  const sub = join(dir, 'sub');
  mkdirSync(dir);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'berth-test', dir]);
  try {
    assert.match(
      (await refused('run', '--rm', '-v', `${dir}:/s:rslave`, 'guest', '/guest', 'id')).stderr,
      /is mounted on .*passed on but it is not a shared or slave mount/,
    );
    execFileSync('mount', ['--make-shared', dir]);
    mkdirSync(sub);
    const slave = (
      await docker('run', '-d', '-v', `${dir}:/s:rslave`, 'guest', '/guest', 'sleep', '60000')
    ).trim();
    const own = (await docker('run', '-d', '-v', `${dir}:/s`, 'guest', '/guest', 'sleep', '60000')).trim();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'berth-test', sub]);
    writeFileSync(join(sub, 'late'), '');
    assert.equal(await docker('exec', slave, '/guest', 'list', '/s/sub'), 'late\n');
    assert.equal(await docker('exec', own, '/guest', 'list', '/s/sub'), '');
    const flat = ['--mount', `type=bind,src=${dir},dst=/s,bind-recursive=disabled`];
    assert.equal(await guest('-v', `${dir}:/s`, 'guest', '/guest', 'list', '/s/sub'), 'late\n');
    assert.equal(await guest(...flat, 'guest', '/guest', 'list', '/s/sub'), '');
    await docker('rm', '-f', slave, own);
  } finally {
    execFileSync('umount', ['-R', dir]);
  }
});

describe('volumes with options', () => {
  test('o=bind shows a folder of the host, and one that is missing is an error at the start', async () => {
    const device = join(engine.dir, 'device');
    mkdirSync(device);
    writeFileSync(join(device, 'there'), 'x');
    await docker('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${device}`, 'hostdir');
    assert.equal(await guest('-v', 'hostdir:/d', 'guest', '/guest', 'list', '/d'), 'there\n');
    await docker('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', 'device=/no/such', 'gone');
    assert.match(
      (await refused('run', '--rm', '-v', 'gone:/d', 'guest', '/guest', 'id')).stderr,
      /failed to mount local volume.*no such file/,
    );
    await docker('volume', 'rm', 'hostdir', 'gone');
    assert.equal(
      readFileSync(join(device, 'there'), 'utf8'),
      'x',
      'the folder of the host is not the volume’s to remove',
    );
  });

  test('type=tmpfs lives in memory for as long as somebody runs with it', async () => {
    await docker(
      'volume',
      'create',
      '-o',
      'type=tmpfs',
      '-o',
      'device=tmpfs',
      '-o',
      'o=size=1m,uid=7',
      'memory',
    );
    const first = (
      await docker(
        'run',
        '-d',
        '-v',
        'memory:/m',
        'guest',
        '/guest',
        'write',
        '/m/x',
        'note',
        ',',
        'sleep',
        '60000',
      )
    ).trim();
    await eventually('it wrote', async () => (await docker('logs', first)).includes('ok'));
    assert.match(
      await guest('-v', 'memory:/m', 'guest', '/guest', 'cat', '/m/x', ',', 'stat', '/m'),
      /^note\/m: .* uid 7 /,
    );
    await docker('rm', '-f', first);
    await eventually(
      'it is unmounted',
      async () => !readFileSync('/proc/self/mountinfo', 'utf8').includes(`${engine.root}/volumes/memory`),
    );
    assert.equal(await guest('-v', 'memory:/m', 'guest', '/guest', 'list', '/m'), '');
    await docker('volume', 'rm', 'memory');
  });

  test('options that cannot be honoured are refused when the volume is made', async () => {
    for (const options of [
      ['type=nfs', 'device=:/x', 'o=addr=10.0.0.1'],
      ['type=ext4', 'device=/dev/sda1'],
      ['colour=red'],
    ])
      assert.match(
        (await refused('volume', 'create', ...options.flatMap((option) => ['-o', option]), 'bad')).stderr,
        /not supported|invalid option/,
      );
    assert.match(
      (await refused('volume', 'create', '-d', 'flocker', 'bad')).stderr,
      /plugin "flocker" not found/,
    );
    assert.equal(await docker('volume', 'ls', '-q'), '');
  });
});

test('volumes publish create, mount, unmount, destroy and prune', async () => {
  const since = (Date.now() / 1000).toFixed(3);
  await guest('-v', 'seen:/v:ro', 'guest', '/guest', 'id');
  await docker('volume', 'rm', 'seen');
  await docker('volume', 'prune', '-f');
  const until = (Date.now() / 1000 + 0.1).toFixed(3);
  const lines = await docker(
    'events',
    '--since',
    since,
    '--until',
    until,
    '--filter',
    'type=volume',
    '--format',
    '{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "read/write"}}',
  );
  assert.equal(lines, 'create seen \nmount seen false\nunmount seen \ndestroy seen \nprune  \n');
});

test('volumes survive a restart of the daemon, and one with a damaged record keeps its files', async () => {
  await docker('volume', 'create', '--label', 'a=b', 'lasting');
  const data = join(engine.root, 'volumes/lasting');
  writeFileSync(join(data, '_data/f'), 'kept');
  await engine.stopDaemon('SIGKILL');
  await engine.startDaemon();
  assert.equal(await docker('volume', 'inspect', '-f', '{{.Labels.a}}', 'lasting'), 'b\n');
  await engine.stopDaemon('SIGKILL');
  writeFileSync(join(data, 'volume.json'), 'torn');
  await engine.startDaemon();
  assert.equal(await guest('-v', 'lasting:/v', 'guest', '/guest', 'cat', '/v/f'), 'kept');
  await docker('volume', 'rm', 'lasting');
  assert.equal(
    statSync(join(engine.root, 'volumes')).mode & 0o777,
    0o700,
    'users of the host cannot reach programs in volumes (CVE-2021-41091)',
  );
});

describe('what it all takes on disk', () => {
  test('ps -s and inspect --size tell what a container wrote and what its image adds', async () => {
    const text = 'x'.repeat(5_000);
    const name = `w${randomBytes(3).toString('hex')}`;
    await docker(
      'run',
      '--name',
      name,
      '-v',
      '/anon',
      'guest',
      '/guest',
      'write',
      '/tmp/f',
      text,
      ',',
      'write',
      '/anon/g',
      text,
    );
    const [size] = JSON.parse(await docker('inspect', '-s', name)) as {
      SizeRw: number;
      SizeRootFs: number;
    }[];
    assert.equal(size?.SizeRw, 5_000);
    const image = Number(await docker('image', 'inspect', '-f', '{{.Size}}', 'guest'));
    assert.equal(size?.SizeRootFs, image + 5_000);
    assert.match(
      await docker('ps', '-as', '--filter', `name=${name}`, '--format', '{{.Size}}'),
      /^5kB \(virtual [\d.]+[kM]B\)\n$/,
    );
    await docker('rm', '-v', name);
  });

  test('system df counts a shared layer once and finds every volume, and system prune frees what nobody uses', async () => {
    const id = (await docker('create', '-v', 'big:/v', 'guest', '/guest', 'id')).trim();
    writeFileSync(join(engine.root, 'volumes/big/_data/f'), Buffer.alloc(50_000, 1));
    const { status } = await rawRequest(engine.socketPath, 'POST', '/berth/images', {
      config: { architecture: 'amd64', os: 'linux', config: { Labels: { second: '1' } } },
      layers: [engine.layer],
      tags: ['second'],
    });
    assert.equal(status, 201);
    const { body } = await rawRequest(engine.socketPath, 'GET', '/system/df');
    const df = JSON.parse(body.toString()) as {
      LayersSize: number;
      Images: { Size: number; SharedSize: number; Containers: number }[];
      Containers: { Id: string }[];
      Volumes: { Name: string; UsageData: { Size: number; RefCount: number } }[];
    };
    assert.equal(df.Images.length, 2);
    for (const image of df.Images)
      assert.deepEqual([image.Size, image.SharedSize], [df.LayersSize, df.LayersSize]);
    assert.deepEqual(
      df.Containers.map(({ Id }) => Id),
      [id],
    );
    const [volume] = df.Volumes.filter(({ Name }) => Name === 'big');
    assert.ok((volume?.UsageData.Size ?? 0) >= 50_000 && (volume?.UsageData.Size ?? 0) < 60_000);
    assert.equal(volume?.UsageData.RefCount, 1);
    const shown = await docker('system', 'df');
    assert.match(shown, /^Images +2 +1 /m);
    assert.match(shown, /^Containers +1 +0 +0B +0B/m);
    assert.match(shown, /^Local Volumes +1 +1 +\d+\.?\d*kB +0B/m);
    assert.match(await docker('system', 'df', '-v'), /^big +1 +\d+\.?\d*kB$/m);
    await docker('rmi', 'second');
    assert.match(await docker('system', 'prune', '-f', '--volumes'), new RegExp(id));
    assert.equal(await docker('volume', 'ls', '-q'), 'big\n', 'a named volume is nobody’s rubbish');
    await docker('volume', 'rm', 'big');
  });
});

test('a memory-backed volume that is removed at once after its last run leaves no mount behind', async () => {
  for (let round = 0; round < 5; round++) {
    const name = `quick${round}`;
    await docker('volume', 'create', '-o', 'type=tmpfs', name);
    const id = await engine.runDetached(['/guest', 'sleep', '60000'], {
      HostConfig: { Binds: [`${name}:/m`] },
    });
    await engine.client.removeContainer(id, { force: true });
    const { status } = await rawRequest(engine.socketPath, 'DELETE', `/volumes/${name}`);
    assert.equal(status, 204);
  }
  await eventually(
    'nothing is mounted and nothing is left',
    async () =>
      !readFileSync('/proc/self/mountinfo', 'utf8').includes(`${engine.root}/volumes`) &&
      readdirSync(join(engine.root, 'volumes')).every((name) => name[0] !== '.'),
  );
});
