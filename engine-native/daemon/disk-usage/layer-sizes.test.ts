// Shared and unique bytes of images.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerSizes } from './layer-sizes.ts';

test('a layer of several images counts once in all, and as shared in each of them', () => {
  const bytes: Record<string, number> = { base: 100, app: 10, other: 1 };
  const { total, shared } = layerSizes(
    [
      { id: 'a', diffIds: ['base', 'app'] },
      { id: 'b', diffIds: ['base', 'other'] },
      { id: 'c', diffIds: ['other', 'other'] },
    ],
    (diffId) => bytes[diffId] ?? 0,
  );
  assert.equal(total, 111);
  assert.deepEqual(
    [...shared],
    [
      ['a', 100],
      ['b', 101],
      ['c', 2],
    ],
  );
});
