// tree.list and layer.copy of the helper, asked directly: what they list, what they write into an overlay's upper folder, and what they refuse
// from a caller that is wrong about a path or from a tree that is hostile.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { HelperFixture, type Json, type Reply } from './helper-fixture.ts';
import { makeTar } from './make-tar.ts';

const helper = new HelperFixture();
before(() => helper.open());
after(() => helper.close());

let serial = 0;

/** A folder below ROOT with these files; "-> " makes a link, a name with a slash at its end a folder. */
function tree(files: Record<string, string>): string {
  const dir = helper.layer(`tree-${serial++}`);
  mkdirSync(dir);
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(dir, name);
    mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), file);
    else if (!name.endsWith('/')) writeFileSync(file, text);
  }
  return dir;
}

async function list(
  lower: string[],
  start: string,
  more: Json = {},
): Promise<{ reply: Reply; records: string[] }> {
  const client = helper.client();
  try {
    client.send('tree.list', { lower, path: start, ...more });
    const reply = await client.reply();
    const fields = reply.ok ? (await client.rest()).toString().split('\0') : [];
    const records: string[] = [];
    for (let at = 0; at + 2 < fields.length; at += 3)
      records.push(`${fields[at]?.[0]} ${fields[at + 1]}${fields[at + 2] ? ` -> ${fields[at + 2]}` : ''}`);
    return { reply, records };
  } finally {
    client.close();
  }
}

type Entry = [op: string, mode: string, source: string, target: string];

async function copy(entries: Entry[], more: Json & { source?: string[]; lower?: string[] }) {
  const dir = helper.layer(`copy-${serial++}`);
  const [upper, work] = [path.join(dir, 'upper'), path.join(dir, 'work')];
  for (const folder of [dir, upper, work]) mkdirSync(folder);
  const client = helper.client();
  try {
    client.send('layer.copy', { lower: [], upper, work, ...more });
    client.socket.end(entries.map((entry) => `${entry.join('\0')}\0`).join(''));
    return { upper, reply: await client.reply() };
  } finally {
    client.close();
  }
}

const end: Entry = ['end', '', '', ''];

test('a listing shows layers as one tree: removed files are gone, links are followed to the start only', async () => {
  const below = tree({ 'a/one': '1', 'a/two': '2', 'b/x': 'x', way: '-> a' });
  const above = helper.layer('above');
  const marks = [{ name: 'a/three' }, { name: 'a/.wh.one' }, { name: 'b/', type: '5', mode: 0o755 }];
  await helper.untar('above', makeTar([...marks, { name: 'b/.wh..wh..opq' }]));
  const { reply, records } = await list([above, below], '/way');
  assert.equal(reply['path'], '/a');
  assert.deepEqual(records, ['d ', 'f three', 'f two']);
  assert.deepEqual((await list([above, below], '/b')).records, ['d ']);
  assert.deepEqual((await list([above, below], '/', { depth: 1 })).records, [
    'd ',
    'd a',
    'd b',
    'l way -> a',
  ]);
});

test('a listing finds nothing outside: neither by a link, nor by "..", nor in a folder that is not ours', async () => {
  const dir = tree({ abs: `-> ${helper.folder}`, up: '-> ../../..', 'in/f': '' });
  for (const start of ['/abs/run', '/up/run', '/in/../../../run'])
    assert.equal((await list([dir], start)).reply.error?.code, 'not_found', start);
  assert.equal((await list([dir], '/up')).reply['path'], '/');
  assert.equal((await list(['/etc'], '/')).reply.error?.code, 'bad_request');
  assert.equal((await list([], '/')).reply.error?.code, 'bad_request');
});

test('a copy makes a layer: parents, owners, modes, times, hard links, and folders joined through a link', async () => {
  const source = tree({ 'd/f': 'content', 'd/l': '-> f' });
  execFileSync('sh', [
    '-c',
    `ln ${source}/d/f ${source}/d/g; touch -d @1000 ${source}/d/f; chmod 6755 ${source}/d/f`,
  ]);
  const below = tree({ 'usr/lib/old': 'old', lib: '-> usr/lib' });
  const { upper, reply } = await copy(
    [
      ['copy', '', 'd', 'lib'],
      ['copy', '640', 'd/f', 'lib/f'],
      ['copy', '', 'd/g', 'lib/g'],
      ['copy', '', 'd/l', 'new/deep/l'],
      end,
    ],
    { lower: [below], source: [source], owner: { uid: 7, gid: 8 } },
  );
  assert.equal(reply.ok, true, reply.error?.message);
  const f = lstatSync(path.join(upper, 'usr/lib/f'));
  assert.deepEqual([f.mode & 0o7777, f.uid, f.gid, f.mtimeMs, f.nlink], [0o640, 7, 8, 1_000_000, 2]);
  assert.equal(readlinkSync(path.join(upper, 'new/deep/l')), 'f');
  assert.equal(lstatSync(path.join(upper, 'new')).uid, 7);
  assert.ok(!existsSync(path.join(upper, 'lib')), 'the link of the layer below stays the way it is');
  assert.equal(lstatSync(path.join(upper, 'usr')).uid, 0);
});

test('a copy writes nothing outside, whatever the layers below hold', async () => {
  const outside = path.join(helper.folder, 'outside');
  mkdirSync(outside);
  const source = tree({ f: 'planted' });
  const below = tree({
    abs: `-> ${outside}`,
    up: `-> ${'../'.repeat(9)}${outside.slice(1)}`,
    file: `-> ${outside}/f`,
    loop: '-> loop',
  });
  for (const target of ['abs/f', 'up/f', 'loop/f', '../f', 'a/../../f', '/f']) {
    const { upper } = await copy([['copy', '', 'f', target], end], { lower: [below], source: [source] });
    assert.deepEqual(readdirSync(outside), [], target);
    assert.ok(!existsSync(path.join(path.dirname(upper), 'f')), target);
  }
  const { upper, reply } = await copy([['copy', '', 'f', 'file'], end], { lower: [below], source: [source] });
  assert.equal(reply.ok, true);
  assert.equal(
    readFileSync(path.join(upper, 'file'), 'utf8'),
    'planted',
    'a link that is copied over is replaced',
  );
  assert.deepEqual(readdirSync(outside), []);
});

test('a copy reads nothing outside: a source is opened without following any link', async () => {
  writeFileSync(path.join(helper.folder, 'key'), 'key');
  const source = tree({ way: `-> ${helper.folder}`, 'd/f': '' });
  for (const name of ['way/key', '../../../key', 'd/../../../../key', path.join(helper.folder, 'key')]) {
    const { reply, upper } = await copy([['copy', '', name, 'stolen'], end], { source: [source] });
    assert.equal(reply.ok, false, name);
    assert.deepEqual(readdirSync(upper), [], name);
  }
});

test('records that are cut off, unknown or not numbers are refused', async () => {
  const source = tree({ f: '' });
  const refusal = async (entries: Entry[]) =>
    (await copy(entries, { source: [source] })).reply.error?.message;
  assert.match((await refusal([['copy', '', 'f', 'f']])) ?? '', /ended before it was complete/);
  assert.match((await refusal([['link', '', 'f', 'f'], end])) ?? '', /"link" is not known/);
  assert.match((await refusal([['copy', '9', 'f', 'f'], end])) ?? '', /"9" is not a mode/);
  assert.match((await refusal([['copy', '', 'x'.repeat(20_000), 'f'], end])) ?? '', /too long|cannot open/);
});

test('a file never takes the place of a folder, a folder never that of a file', async () => {
  const source = tree({ f: '', 'd/x': '' });
  const below = tree({ 'd/y': '', f: '' });
  const one = await copy([['copy', '', 'f', 'd'], end], { lower: [below], source: [source] });
  assert.match(one.reply.error?.message ?? '', /a folder of that name is there/);
  const two = await copy([['copy', '', 'd', 'f'], end], { lower: [below], source: [source] });
  assert.match(two.reply.error?.message ?? '', /cannot copy a folder to "f"/);
});
