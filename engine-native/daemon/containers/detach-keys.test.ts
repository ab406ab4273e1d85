// The keys that detach: found wherever they are cut, and never taken from the program when they are not meant.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DetachFilter, parseDetachKeys } from './detach-keys.ts';

async function pass(keys: string, chunks: string[]): Promise<{ through: string; detached: boolean }> {
  let detached = false;
  const filter = new DetachFilter(parseDetachKeys(keys), () => {
    detached = true;
  });
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  let through = '';
  for await (const chunk of filter) through += String(chunk);
  return { through, detached };
}

test('the sequence ends the session, in one piece or in two', async () => {
  assert.deepEqual(await pass('', ['ls\r\x10\x11']), { through: 'ls\r', detached: true });
  assert.deepEqual(await pass('', ['a\x10', '\x11']), { through: 'a', detached: true });
  assert.deepEqual(await pass('x,y', ['axy']), { through: 'a', detached: true });
});

test('a beginning that goes on otherwise reaches the program', async () => {
  assert.deepEqual(await pass('', ['\x10a']), { through: '\x10a', detached: false });
  assert.deepEqual(await pass('', ['\x10\x10\x11']), { through: '\x10', detached: true });
});

test('keys are written as docker writes them', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-a,b,ctrl-],ctrl-@')], [1, 98, 29, 0]);
  for (const wrong of ['ctrl-', 'ctrl-1', 'ab', 'a,,b'])
    assert.throws(() => parseDetachKeys(wrong), /detach keys/);
});
