/**
 * berth-engine-helper as its daemon sees it: the real binary on a socket, as root, in folders of the test's own.
 * Layers and hostile archives; helper-host.test.ts has the rest. Needs engine-native/runtime/build.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { HelperFixture } from './helper-fixture.ts';
import { type Entry, makeTar, tarBody } from './make-tar.ts';

const helper = new HelperFixture();
before(() => helper.open());
after(() => helper.close());

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Everything a layer can hold, out of order and without its parents. */
const everything: Entry[] = [
  { name: 'z/deep/er/file', content: 'deep', mode: 0o600, uid: 1000, gid: 1000, mtime: 1_700_000_000 },
  { name: './app/', type: '5', mode: 0o2775, uid: 5, gid: 6, mtime: 3 },
  { name: 'app/run', content: Buffer.alloc(100_000, 'x'), mode: 0o4755, mtime: 5 },
  { name: 'app/also', type: '1', link: './app/run' },
  { name: 'lib', type: '2', link: 'usr/lib' },
  { name: 'usr/lib/', type: '5', mode: 0o755 },
  { name: 'lib/through-a-link', content: 'here' },
  { name: 'out', type: '2', link: '../../../../etc/passwd' },
  { name: 'pipe', type: '6', mode: 0o640 },
  {
    name: 'x',
    pax: { path: `long/${'n'.repeat(200)}/${'m'.repeat(200)}`, mtime: '7.5', 'SCHILY.xattr.user.k': 'v' },
  },
  { name: 'gone/.wh.old' },
  { name: 'gone/.wh..wh..opq' },
  { name: '.wh..wh.plnk', type: '5' },
];

test('an archive becomes files with their owners, modes, times, links and whiteouts', async () => {
  const archive = makeTar(everything);
  const reply = await helper.untar('all', archive);
  assert.deepEqual(reply, {
    id: 1,
    ok: true,
    sha256: sha256(archive),
    bytes: 100_008,
    files: everything.length,
  });
  const at = (name: string) => lstatSync(path.join(helper.layer('all'), name));
  assert.equal(at('app').mode & 0o7777, 0o2775);
  assert.equal(at('app').uid, 5);
  assert.equal(at('app').mtimeMs, 3000);
  assert.equal(at('app/run').mode & 0o7777, 0o4755);
  assert.equal(at('app/run').ino, at('app/also').ino);
  assert.equal(at('z/deep').mtimeMs, 0, 'a folder no entry names has time 0');
  assert.equal(at('z/deep/er/file').gid, 1000);
  assert.equal(readFileSync(path.join(helper.layer('all'), 'usr/lib/through-a-link'), 'utf8'), 'here');
  assert.equal(readlinkSync(path.join(helper.layer('all'), 'out')), '../../../../etc/passwd');
  assert.ok(at('pipe').isFIFO());
  assert.ok(at('gone/old').isCharacterDevice() && at('gone/old').rdev === 0);
  assert.equal(at(`long/${'n'.repeat(200)}/${'m'.repeat(200)}`).mtimeMs, 7500);
  assert.equal(existsSync(path.join(helper.layer('all'), '.wh..wh.plnk')), false);
});

test('a layer, its canonical tar and what that unpacks to have one digest', async () => {
  await helper.untar('first', makeTar(everything));
  const first = await helper.tar('first');
  const again = await helper.untar('second', first.archive);
  const second = await helper.tar('second');
  assert.ok(first.archive.equals(second.archive));
  const digest = await helper.call('layer.digest', { dir: helper.layer('second') });
  assert.equal(digest['sha256'], sha256(first.archive));
  assert.equal(digest['size'], first.archive.length);
  assert.equal(digest['files'], again['files']);
  assert.equal(digest['bytes'], again['bytes']);
});

test('a canonical tar is sorted bytewise and GNU tar reads it', async () => {
  await helper.untar('listed', makeTar(everything));
  const { archive } = await helper.tar('listed', { mtime: 42 });
  const listed = execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], { input: archive }).toString();
  const names = listed.trimEnd().split('\n');
  assert.deepEqual(
    names,
    [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
  assert.ok(
    names.includes('gone/.wh.old') && names.includes('gone/.wh..wh..opq') && names.includes('app/run'),
  );
  const dates = execFileSync('tar', ['-tvf', '-', '--utc', '--full-time'], { input: archive }).toString();
  assert.equal(
    dates
      .trimEnd()
      .split('\n')
      .every((line) => line.includes('1970-01-01 00:00:42')),
    true,
  );
});

test('base, exclude and a forced owner and time shape a layer', async () => {
  await helper.untar('shaped', makeTar(everything), { owner: { uid: 7, gid: 8 }, mtime: 9 });
  const { archive } = await helper.tar('shaped', { base: 'app/x', exclude: ['long', 'z/deep/er'] });
  const listed = execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: archive }).toString();
  const lines = listed.trimEnd().split('\n');
  assert.ok(lines.every((line) => line.includes('7/8') || line.includes('.wh.')));
  const names = lines.map((line) => line.split(/\s+/)[5]);
  assert.deepEqual(names.slice(0, 3), ['app/', 'app/x/', 'app/x/app/']);
  assert.ok(names.includes('app/x/z/deep/') && !names.includes('app/x/z/deep/er/'));
  assert.equal(
    names.some((name) => name?.startsWith('app/x/long')),
    false,
  );
});

test("capabilities and user attributes are carried, overlayfs's own and trusted ones are not", async () => {
  const capability = `\x01\0\0\x02\0\x04${'\0'.repeat(14)}`;
  const pax = {
    'SCHILY.xattr.security.capability': capability,
    'SCHILY.xattr.user.note': 'kept',
    'SCHILY.xattr.user.overlay.opaque': 'y',
    'SCHILY.xattr.trusted.overlay.redirect': '/etc',
  };
  const folder = { name: 'd/', type: '5', pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } };
  await helper.untar('attributes', makeTar([{ name: 'f', content: 'x', pax, uid: 3 }, folder]));
  const { archive } = await helper.tar('attributes');
  const text = archive.toString('latin1');
  assert.ok(text.includes(`SCHILY.xattr.security.capability=${capability}`));
  assert.ok(text.includes('SCHILY.xattr.user.note=kept'));
  assert.equal(/overlay|\.wh\./.test(text), false);
});

test('a folder no tar can hold is refused, and its stream ends without an end', async () => {
  const dir = helper.layer('unfit');
  mkdirSync(path.join(dir, 'a'), { recursive: true });
  writeFileSync(path.join(dir, 'a/.wh.x'), '');
  const named = await helper.call('layer.digest', { dir });
  assert.match(named.error?.message ?? '', /"a\/\.wh\.x" in ".*" has a name that layers reserve/);
  rmSync(path.join(dir, 'a/.wh.x'));
  execFileSync('mknod', [path.join(dir, 'a/null'), 'c', '1', '3']);
  const { reply, archive } = await helper.tar('unfit');
  assert.equal(reply.ok, true);
  assert.equal(archive.length >= 1024 && archive.subarray(-1024).every((byte) => byte === 0), false);
  assert.equal((await helper.call('layer.digest', { dir })).error?.code, 'bad_request');
});

test('thirty layers at once come out right', async () => {
  const names = Array.from({ length: 30 }, (_, n) => `many-${n}`);
  const archives = names.map((name) => makeTar([{ name, content: Buffer.alloc(300_000, name) }]));
  const replies = await Promise.all(names.map((name, n) => helper.untar(name, archives[n] as Buffer)));
  assert.deepEqual(
    replies.map((reply) => reply['sha256']),
    archives.map(sha256),
  );
});

test('strip cuts leading components and leaves out what has no name left', async () => {
  const archive = makeTar([
    { name: 'pkg/', type: '5' },
    { name: 'pkg/a', content: '1' },
    { name: 'pkg/b', type: '1', link: 'pkg/a' },
  ]);
  assert.equal((await helper.untar('stripped', archive, { strip: 1 })).ok, true);
  assert.deepEqual(readdirSync(helper.layer('stripped')).sort(), ['a', 'b']);
});

test('a later entry replaces an earlier one, and a name seen through a replaced link is looked up anew', async () => {
  const archive = makeTar([
    { name: 'a/', type: '5' },
    { name: 'b/', type: '5' },
    { name: 'l', type: '2', link: 'a' },
    { name: 'l/one', content: '1' },
    { name: 'l', type: '2', link: 'b' },
    { name: 'l/two', content: '2' },
    { name: 'a/one', type: '5' },
    { name: 'b', content: 'now a file' },
  ]);
  assert.equal((await helper.untar('replaced', archive)).ok, true);
  assert.ok(lstatSync(path.join(helper.layer('replaced'), 'a/one')).isDirectory());
  assert.ok(lstatSync(path.join(helper.layer('replaced'), 'b')).isFile());
});

const huge = 2 ** 33 - 1;
const refusals: [string, Buffer, string, RegExp][] = [
  ['an absolute name', makeTar([{ name: '/etc/x' }]), 'bad_request', /"\/etc\/x" is an absolute name/],
  ['dots in a name', makeTar([{ name: 'a/../../x' }]), 'bad_request', /has ".." in its name/],
  ['a device', makeTar([{ name: 'd', type: '3', device: [1, 3] }]), 'bad_request', /"d" is a device node/],
  ['a block device', makeTar([{ name: 'd', type: '4', device: [0, 0] }]), 'bad_request', /device node/],
  [
    'a file behind a link that leads nowhere inside',
    makeTar([{ name: 'l', type: '2', link: '/etc' }, { name: 'l/x' }]),
    'bad_request',
    /cannot place "l"/,
  ],
  [
    'a hard link out',
    makeTar([{ name: 'h', type: '1', link: '/etc/passwd' }]),
    'bad_request',
    /hard link "h"/,
  ],
  ['a hard link up', makeTar([{ name: 'h', type: '1', link: '../x' }]), 'bad_request', /hard link "h"/],
  [
    'a hard link through a link out',
    makeTar([
      { name: 'l', type: '2', link: '/etc' },
      { name: 'h', type: '1', link: 'l/passwd' },
    ]),
    'bad_request',
    /"l\/passwd" is not in the archive/,
  ],
  ['a file as a folder', makeTar([{ name: 'f' }, { name: 'f/x' }]), 'bad_request', /cannot place/],
  ['a component too long', makeTar([{ name: 'x', pax: { path: 'c'.repeat(256) } }]), 'bad_request', /255/],
  ['a name too long', makeTar([{ name: 'x', pax: { path: 'c/'.repeat(3000) } }]), 'bad_request', /4095/],
  ['a size that never comes', tarBody([{ name: 'f', size: huge }]), 'bad_request', /cut off/],
  ['a missing end', tarBody([{ name: 'f', content: 'x' }]), 'bad_request', /cut off/],
  ['an empty stream', Buffer.alloc(0), 'bad_request', /cut off after 0 bytes/],
  ['what is no tar', Buffer.alloc(2048, 'x'), 'bad_request', /not a tar archive/],
  ['a sparse file', makeTar([{ name: 's', type: 'S' }]), 'unsupported', /"s" is a sparse entry/],
  ['an unknown type', makeTar([{ name: 'q', type: 'Q' }]), 'bad_request', /unknown type 'Q'/],
  ['a whiteout of nothing', makeTar([{ name: 'a/.wh...' }]), 'bad_request', /not a whiteout of anything/],
  [
    'a PAX record with a bad size',
    makeTar([{ name: 'x', pax: { size: '-1' } }]),
    'bad_request',
    /"size" is malf/,
  ],
  ['a NUL in a PAX path', makeTar([{ name: 'x', pax: { path: 'a\0b' } }]), 'bad_request', /NUL/],
];

for (const [what, archive, code, message] of refusals) {
  test(`${what} is refused, and nothing of the layer stays`, async () => {
    const reply = await helper.untar('refused', archive);
    assert.equal(reply.error?.code, code, JSON.stringify(reply));
    assert.match(reply.error?.message ?? '', message);
    assert.equal(existsSync(helper.layer('refused')), false);
  });
}

test('the limits on bytes and entries stop an archive before it is written', async () => {
  const bytes = await helper.untar('bomb', tarBody([{ name: 'f', size: huge }]), { maxBytes: 1000 });
  assert.match(bytes.error?.message ?? '', /more than the limit of 1000 bytes \(at "f"\)/);
  const files = Array.from({ length: 20 }, (_, n) => ({ name: `f${n}` }));
  const many = await helper.untar('bomb', makeTar(files), { maxFiles: 10 });
  assert.match(many.error?.message ?? '', /more entries than the limit of 10 \(at "f10"\)/);
  assert.equal(existsSync(helper.layer('bomb')), false);
});

test('devices can be left out instead', async () => {
  const archive = makeTar([{ name: 'dev/null', type: '3', device: [1, 3] }, { name: 'f' }]);
  assert.equal((await helper.untar('no-devices', archive, { devices: 'skip' })).ok, true);
  assert.deepEqual(readdirSync(helper.layer('no-devices')), ['f']);
});

test("other people's layers may have absolute names, which mean the same below the root", async () => {
  const archive = makeTar([
    { name: '/layers/', type: '5' },
    { name: '/layers/a', content: 'a' },
    { name: '/layers/b', type: '1', link: '/layers/a' },
    { name: '/layers/c', type: '2', link: '/layers/a' },
  ]);
  const reply = await helper.untar('absolute', archive, { devices: 'skip' });
  assert.equal(reply.ok, true, reply.error?.message);
  assert.equal(reply['sha256'], sha256(archive));
  const at = (name: string) => path.join(helper.layer('absolute'), name);
  assert.equal(readFileSync(at('layers/b'), 'utf8'), 'a');
  assert.equal(lstatSync(at('layers/a')).ino, lstatSync(at('layers/b')).ino);
  assert.equal(readlinkSync(at('layers/c')), '/layers/a');
  const hostile = makeTar([{ name: '//../x', content: 'x' }]);
  assert.match((await helper.untar('above', hostile, { devices: 'skip' })).error?.message ?? '', /has ".."/);
});

test('a full disk is no_space, and the half-made layer is gone', async () => {
  mkdirSync(helper.layer('small'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', helper.layer('small')]);
  try {
    const reply = await helper.untar('small/diff', makeTar([{ name: 'f', content: Buffer.alloc(3 << 20) }]));
    assert.equal(reply.error?.code, 'no_space');
    assert.match(reply.error?.message ?? '', /cannot write "f"/);
    assert.deepEqual(readdirSync(helper.layer('small')), []);
  } finally {
    execFileSync('umount', [helper.layer('small')]);
  }
});

test('a folder that was there before is added to, and outlives a failure', async () => {
  mkdirSync(helper.layer('mine'));
  writeFileSync(path.join(helper.layer('mine'), 'old'), 'kept');
  assert.equal((await helper.untar('mine', makeTar([{ name: 'new', content: '1' }]))).ok, true);
  assert.equal((await helper.untar('mine', makeTar([{ name: '../x' }]))).ok, false);
  assert.deepEqual(readdirSync(helper.layer('mine')).sort(), ['new', 'old']);
});
