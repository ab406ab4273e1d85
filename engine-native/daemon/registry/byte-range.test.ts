import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkRange, requestedRange } from './byte-range.ts';

test('a requested range is cut to the content; what lies outside is none', () => {
  const cases: [string | undefined, ReturnType<typeof requestedRange>][] = [
    [undefined, undefined],
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=5-', { start: 5, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
    ['bytes=90-200', { start: 90, end: 99 }],
    ['bytes=99-99', { start: 99, end: 99 }],
    ['bytes=100-', 'none'],
    ['bytes=-0', 'none'],
    ['bytes=9-3', 'none'],
    ['bytes=0-1,5-6', undefined],
    ['bytes=-', undefined],
    ['bytes=a-b', undefined],
    ['lines=0-1', undefined],
  ];
  for (const [header, range] of cases) assert.deepEqual(requestedRange(header, 100), range, header);
  assert.equal(requestedRange('bytes=0-0', 0), 'none');
});

test('the range of a chunk is read as the spec and as older clients write it', () => {
  assert.deepEqual(chunkRange('0-9'), { start: 0, end: 9 });
  assert.deepEqual(chunkRange('bytes 10-19/*'), { start: 10, end: 19 });
  assert.deepEqual(chunkRange('bytes=10-19'), { start: 10, end: 19 });
  for (const wrong of ['', '5', '5-', '-5', '9-3', 'a-b', '0-9,20-29', '0-9999999999999999999'])
    assert.equal(chunkRange(wrong), undefined, wrong);
});
