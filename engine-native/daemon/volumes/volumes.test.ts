// What users write about volumes and mounts, and what becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostConfig } from '../containers/container-config.ts';
import type { MountPoint } from '../containers/mount-point.ts';
import { parseMountRequest } from '../containers/parse-mount-request.ts';
import { parseBind, parseMount, parseTmpfs, parseVolumesFrom } from '../containers/parse-mounts.ts';
import { planMounts } from '../containers/plan-mounts.ts';
import { JsonFields } from '../json-fields.ts';
import { checkPropagation } from './check-propagation.ts';
import { checkVolumeName } from './volume-name.ts';
import { parseVolumeOptions } from './volume-options.ts';

const mountOf = (mount: object) => parseMount(parseMountRequest(new JsonFields(mount)));

test('a volume’s name is one folder’s name and nothing else (the class of CVE-2022-23648)', () => {
  for (const name of ['ab', 'a-b_c.d', '0x', 'A'.repeat(255)]) assert.equal(checkVolumeName(name), name);
  for (const name of [
    '',
    'a',
    '..',
    '../x',
    'x/..',
    '/x',
    '.x',
    '-x',
    'a b',
    'a\n',
    'a\0b',
    'é1',
    'A'.repeat(256),
  ])
    assert.throws(() => checkVolumeName(name), name);
});

test('-v names a folder of the host or a volume, with options', () => {
  const { type, source, target, readonly, propagation, idmap, mode } = parseBind(
    '/a/../b:/c/./d/:ro,rslave,z',
  );
  assert.deepEqual(
    { type, source, target, readonly, propagation, idmap, mode },
    {
      type: 'bind',
      source: '/b',
      target: '/c/d',
      readonly: true,
      propagation: 'rslave',
      idmap: true,
      mode: 'ro,rslave,z',
    },
  );
  const volume = parseBind('data:/d:nocopy');
  assert.deepEqual([volume.type, volume.volume, volume.noCopy, volume.named], ['volume', 'data', true, true]);
  assert.equal(parseBind('/a:/b:noidmap').idmap, false);
  for (const wrong of [
    'x',
    ':/x',
    'ab:',
    'ab:x',
    'ab:/',
    '/a:/b:ro,rw',
    '/a:/b:nocopy',
    'ab:/b:rshared',
    '/a:/b:c:d',
    '/a:/b:shared,slave',
  ])
    assert.throws(() => parseBind(wrong), /invalid|destination|absolute/, wrong);
});

test('--mount takes each type’s own keys and refuses the others’', () => {
  const bind = mountOf({
    Type: 'bind',
    Source: '/a',
    Target: '/b',
    BindOptions: { Propagation: 'shared', NonRecursive: true },
  });
  assert.deepEqual([bind.propagation, bind.recursive], ['shared', false]);
  const tmpfs = mountOf({ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } });
  assert.deepEqual([tmpfs.tmpfs?.size, tmpfs.tmpfs?.mode, tmpfs.tmpfs?.exec], [5, 700, false]);
  const volume = mountOf({
    Type: 'volume',
    Source: 'vol',
    Target: '/v',
    VolumeOptions: { Subpath: 'a/b', NoCopy: true },
  });
  assert.deepEqual([volume.subpath, volume.noCopy], ['a/b', true]);
  const wrong: object[] = [
    { Type: 'volume', Target: '/v', VolumeOptions: { Subpath: '../x' } },
    { Type: 'volume', Target: '/v', ReadOnly: true },
    { Type: 'tmpfs', Source: 'x', Target: '/v' },
    { Type: 'bind', Source: '/a', Target: '/v', TmpfsOptions: {} },
    { Type: 'bind', Source: 'a', Target: '/v' },
    { Type: 'volume', Source: 'vol', Target: '/v', BindOptions: {} },
    { Type: 'bind', Source: '/a', Target: '/v', BindOptions: { Propagation: 'sideways' } },
    { Type: 'npipe', Source: '/a', Target: '/v' },
    { Type: 'volume', Source: 'vol', Target: 'v' },
  ];
  for (const mount of wrong)
    assert.throws(() => mountOf(mount), /invalid mount config/, JSON.stringify(mount));
});

test('--tmpfs is safe unless told otherwise', () => {
  const { tmpfs, readonly } = parseTmpfs('/t', 'ro,exec,size=1k,mode=1777,uid=3,gid=4');
  assert.deepEqual(tmpfs, { size: 1024, mode: 1777, exec: true, suid: false, dev: false, uid: 3, gid: 4 });
  assert.equal(readonly, true);
  for (const wrong of ['size=much', 'mode=9', 'uid=me', 'quick'])
    assert.throws(() => parseTmpfs('/t', wrong), wrong);
});

test('what was asked for stands before --volumes-from, and that before the image’s volumes; parents come first', () => {
  const hostConfig: Pick<HostConfig, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumesFrom'> = {
    Binds: ['/host:/a/deep/er', 'mine:/shared'],
    Mounts: [],
    Tmpfs: { '/scratch': '' },
    VolumesFrom: ['other:ro'],
  };
  const others = [parseBind('theirs:/shared'), parseBind('theirs:/a'), parseTmpfs('/memory', '')];
  const mounts = planMounts(
    { Volumes: { '/a': {}, '/image': {}, '/scratch/': {} } },
    hostConfig,
    () => others,
  );
  const short = ({ target, volume, type, readonly }: MountPoint) =>
    `${target} ${volume || type}${readonly ? ' ro' : ''}`;
  assert.deepEqual(mounts.map(short).sort(), [
    '/a theirs ro',
    '/a/deep/er bind',
    '/image volume',
    '/scratch tmpfs',
    '/shared mine',
  ]);
  assert.ok(
    mounts.findIndex(({ target }) => target === '/a') <
      mounts.findIndex(({ target }) => target === '/a/deep/er'),
  );
  assert.throws(
    () => planMounts({ Volumes: {} }, { ...hostConfig, Binds: ['/x:/s', 'vv:/s/'] }, () => []),
    /Duplicate mount point: \/s/,
  );
  assert.deepEqual(parseVolumesFrom('c:rw'), { container: 'c', readonly: false });
  for (const wrong of ['', ':ro', 'c:fast', 'c:ro:x']) assert.throws(() => parseVolumesFrom(wrong), wrong);
});

test('driver options are honoured or refused', () => {
  assert.deepEqual(parseVolumeOptions({}), { kind: 'folder' });
  assert.deepEqual(parseVolumeOptions({ type: 'none', o: 'bind,ro', device: '/x' }), {
    kind: 'bind',
    device: '/x',
    readonly: true,
    recursive: false,
  });
  assert.deepEqual(parseVolumeOptions({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m,noexec' }), {
    kind: 'tmpfs',
    readonly: false,
    noexec: true,
    options: { size: '1048576' },
  });
  for (const wrong of [
    { type: 'nfs', device: ':/x', o: 'addr=1' },
    { colour: 'red' },
    { type: 'none', o: 'bind', device: 'x' },
    { type: 'tmpfs', o: 'huge=always' },
    { o: 'bind', device: '/a/../b' },
  ])
    assert.throws(() => parseVolumeOptions(wrong as Record<string, string>), JSON.stringify(wrong));
});

test('mounts are passed on only where the host passes them on', () => {
  const mountinfo = [
    '1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw',
    '2 1 0:5 / /private rw - tmpfs tmpfs rw',
    '3 1 0:6 / /slave\\040of rw master:1 - tmpfs tmpfs rw',
  ].join('\n');
  checkPropagation('/srv', 'rshared', mountinfo);
  checkPropagation('/slave of/x', 'rslave', mountinfo);
  checkPropagation('/private/x', 'rprivate', mountinfo);
  checkPropagation('/privateer', 'shared', mountinfo);
  assert.throws(
    () => checkPropagation('/private/x', 'rslave', mountinfo),
    /path \/private\/x is mounted on \/private but it is not a shared or slave mount/,
  );
  assert.throws(() => checkPropagation('/slave of', 'shared', mountinfo), /but it is not a shared mount/);
});
