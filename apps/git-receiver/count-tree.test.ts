// The tree count on made-up objects: multiplicity, memory of earlier counts, refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ObjectSource, parseTree, TreeCounter } from './count-tree.ts';

type Entry = [mode: string, name: string, oid: string];

/** Objects by id; remembers what it was asked. */
class Objects implements ObjectSource {
  readonly trees = new Map<string, Entry[]>();
  readonly blobs = new Map<string, number>();
  readonly asked: string[] = [];

  async contents(oids: readonly string[]) {
    this.asked.push(...oids);
    return oids.map((oid) => {
      const entries = this.trees.get(oid);
      const content = entries ? tree(entries) : Buffer.from(`tree ${oid.replace(/^c/, 'a')}\nauthor x\n`);
      return { type: entries ? 'tree' : 'commit', size: content.length, content };
    });
  }

  async sizes(oids: readonly string[]) {
    this.asked.push(...oids);
    return oids.map((oid) => this.blobs.get(oid) ?? 0);
  }
}

function tree(entries: Entry[]): Buffer {
  return Buffer.concat(
    entries.map(([mode, name, id]) =>
      Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]),
    ),
  );
}

const id = (kind: string, number: number) => kind + String(number).padStart(39, '0');

test('files and bytes are counted as often as they would be checked out, objects are read once', async () => {
  const objects = new Objects();
  objects.blobs.set(id('b', 1), 10);
  objects.trees.set(id('a', 2), [['100644', 'x', id('b', 1)]]);
  objects.trees.set(id('a', 1), [
    ['40000', 'one', id('a', 2)],
    ['40000', 'two', id('a', 2)],
    ['120000', 'link', id('b', 1)],
  ]);
  const { treeOid, count } = await new TreeCounter(100).count(objects, id('c', 1));
  assert.equal(treeOid, id('a', 1));
  assert.deepEqual(count, { files: 3, bytes: 30, depth: 2, submodule: null });
  assert.deepEqual(objects.asked, [id('c', 1), id('a', 1), id('a', 2), id('b', 1)]);
});

test('a second count reads only what changed', async () => {
  const objects = new Objects();
  objects.blobs.set(id('b', 1), 10).set(id('b', 2), 5);
  objects.trees.set(id('a', 9), [['100644', 'x', id('b', 1)]]);
  objects.trees.set(id('a', 1), [['40000', 'kept', id('a', 9)]]);
  objects.trees.set(id('a', 2), [
    ['40000', 'kept', id('a', 9)],
    ['100755', 'new', id('b', 2)],
  ]);
  const counter = new TreeCounter(100);
  await counter.count(objects, id('c', 1));
  objects.asked.length = 0;
  const { count } = await counter.count(objects, id('c', 2));
  assert.equal(count.bytes, 15);
  assert.deepEqual(objects.asked, [id('c', 2), id('a', 2), id('b', 2)]);
});

test('sixty levels of doubling are counted at once and do not overflow', async () => {
  const objects = new Objects();
  objects.trees.set(id('a', 60), [['100644', 'x', id('b', 1)]]);
  for (let level = 1; level < 60; level++)
    objects.trees.set(id('a', level), [
      ['40000', 'l', id('a', level + 1)],
      ['40000', 'r', id('a', level + 1)],
    ]);
  const { count } = await new TreeCounter(100).count(objects, id('c', 1));
  assert.equal(count.files, 2 ** 59);
});

test('a wide tree is given up before all of it is read', async () => {
  const objects = new Objects();
  objects.trees.set(
    id('a', 1),
    Array.from({ length: 2000 }, (_, index): Entry => ['100644', `f${index}`, id('b', index)]),
  );
  await assert.rejects(new TreeCounter(10).count(objects, id('c', 1)), { code: 'too_large' });
});

test('damaged trees and odd modes are refused', () => {
  assert.throws(() => parseTree(Buffer.from('100644 x'), 20), { code: 'invalid' });
  assert.throws(() => parseTree(tree([['20666', 'tty', id('b', 1)]]), 20), /"tty" has mode 20666/);
});
