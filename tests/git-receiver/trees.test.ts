// Hostile and oversized trees: refused before anything is checked out, with the numbers.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { ReceiverFixture } from './receiver-fixture.ts';

let fixture: ReceiverFixture;
before(async () => {
  fixture = await ReceiverFixture.start({
    BERTH_PUSH_MAX_BYTES: String(2 * 1024 * 1024),
    BERTH_TREE_MAX_FILES: '1000',
    BERTH_TREE_MAX_BYTES: String(8 * 1024 * 1024),
  });
});
after(() => fixture.close());
beforeEach(() => {
  fixture.controller.pushes.length = 0;
});

/** Writes an object as it is, however wrong. */
async function write(path: string, type: string, content: Uint8Array | string): Promise<string> {
  const args = ['git', '-C', path, 'hash-object', '-w', '--literally', '-t', type, '--stdin'] as const;
  return (await runCommandOk([...args], { input: content, env: { PATH: '/usr/bin:/bin' } })).stdout
    .toString()
    .trim();
}

function tree(entries: [mode: string, name: string, oid: string][]): Buffer {
  return Buffer.concat(
    entries.map(([mode, name, oid]) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]),
    ),
  );
}

async function commitOf(path: string, treeOid: string): Promise<string> {
  const who = 'Ada <ada@example.com> 1700000000 +0000';
  return write(path, 'commit', `tree ${treeOid}\nauthor ${who}\ncommitter ${who}\n\nx\n`);
}

async function pushTree(path: string, treeOid: string): Promise<string> {
  const commit = await commitOf(path, treeOid);
  const pushed = await fixture.git(['push', '-f', fixture.url(), `${commit}:refs/heads/main`], path);
  assert.notEqual(pushed.code, 0, pushed.text);
  assert.equal(fixture.controller.pushes.length, 0, 'no build was started');
  assert.deepEqual(await fixture.leftovers(), []);
  return pushed.text;
}

test('a tree with "..", ".git", a slash, or a linked .gitmodules is refused with the reason', async () => {
  const path = await fixture.project('hostile');
  const blob = await write(path, 'blob', 'x\n');
  const inner = await write(path, 'tree', tree([['100644', 'x', blob]]));
  for (const [entries, reason] of [
    [[['40000', '..', inner]], /hasDotdot/],
    [[['40000', '.git', inner]], /hasDotgit/],
    [[['40000', '.GIT', inner]], /hasDotgit/],
    [[['100644', '../../x', blob]], /fullPathname/],
    [[['120000', '.gitmodules', blob]], /gitmodulesSymlink/],
  ] as [[string, string, string][], RegExp][])
    assert.match(await pushTree(path, await write(path, 'tree', tree(entries))), reason);
});

test('a device, socket or pipe in a tree is refused', async () => {
  const path = await fixture.project('devices');
  const blob = await write(path, 'blob', 'x\n');
  for (const mode of ['20644', '60644', '10644', '140644']) {
    const text = await pushTree(path, await write(path, 'tree', tree([[mode, 'null', blob]])));
    assert.match(text, /"null" has mode|badFilemode/, mode);
  }
});

test('a push of a few kB that stands for 10^8 files is refused quickly with the number', async () => {
  const path = await fixture.project('bomb');
  const blob = await write(path, 'blob', 'x\n');
  let oid = await write(path, 'tree', tree(range(10).map((name) => ['100644', name, blob])));
  for (let level = 1; level < 8; level++)
    oid = await write(path, 'tree', tree(range(10).map((name) => ['40000', name, oid])));
  const started = performance.now();
  assert.match(await pushTree(path, oid), /the push holds 100,000,000 files; the limit is 1,000/);
  assert.ok(performance.now() - started < 3000);
});

test('folders that nest without end are refused', async () => {
  const path = await fixture.project('deep');
  const script = deepScript(1100);
  await runCommandOk(['git', '-C', path, 'fast-import', '--quiet'], {
    input: script,
    env: { PATH: '/usr/bin:/bin' },
  });
  const oid = (await fixture.git(['rev-parse', 'refs/heads/deep^{tree}'], path)).text.trim();
  assert.match(await pushTree(path, oid), /nested deeper than 1024 levels/);
});

test('too many files, too many bytes and too large a pack are each refused with the limit', async () => {
  const path = await fixture.project('many');
  const blob = await write(path, 'blob', 'x\n');
  const wide = await write(path, 'tree', tree(range(1001).map((name) => ['100644', name, blob])));
  assert.match(await pushTree(path, wide), /the push holds 1,001 files; the limit is 1,000/);
  const large = await write(path, 'blob', Buffer.alloc(9 * 1024 * 1024));
  const heavy = await write(path, 'tree', tree([['100644', 'zeros', large]]));
  assert.match(await pushTree(path, heavy), /the push holds 9 MiB of files; the limit is 8 MiB/);
  const noise = new Uint8Array(3 * 1024 * 1024);
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
  const pack = await write(path, 'tree', tree([['100644', 'noise', await write(path, 'blob', noise)]]));
  assert.match(await pushTree(path, pack), /pack exceeds maximum allowed size/);
});

test('a submodule is pushed with a warning', async () => {
  const path = await fixture.project('module');
  const commit = (await fixture.git(['rev-parse', 'HEAD'], path)).text.trim();
  const vendor = await write(path, 'tree', tree([['160000', 'lib', commit]]));
  const root = await commitOf(path, await write(path, 'tree', tree([['40000', 'vendor', vendor]])));
  const pushed = await fixture.git(['push', '-f', fixture.url(), `${root}:refs/heads/main`], path);
  assert.equal(pushed.code, 0, pushed.text);
  assert.match(pushed.text, /"vendor\/lib" is a submodule: its files are not fetched/);
});

function range(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index).padStart(4, '0'));
}

function deepScript(levels: number): string {
  const file = `${'a/'.repeat(levels)}x`;
  return `commit refs/heads/deep\ncommitter Ada <a@b> 1700000000 +0000\ndata 1\nx\nM 100644 inline ${file}\ndata 1\nx\n`;
}
