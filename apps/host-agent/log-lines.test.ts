// Lines of an app's log out of the engine's stamped output, over any chunking; and the frames of attached runs.
import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeFrame, FrameReader } from './attach-frames.ts';
import { isOfProcess, LineCutter, newest, sinceSeconds, toLogLine } from './log-lines.ts';
import { cutTail } from './read-tail.ts';

test('stamped output is cut into lines however the chunks fall', () => {
  const text =
    '2026-01-02T03:04:05.12Z one\r\n2026-01-02T03:04:05Z two \n2026-01-02T03:04:06.000000001Z\x20\n';
  const expected = [
    { time: '2026-01-02T03:04:05.120000000Z', message: 'one' },
    { time: '2026-01-02T03:04:05.000000000Z', message: 'two ' },
    { time: '2026-01-02T03:04:06.000000001Z', message: '' },
  ];
  for (let size = 1; size <= text.length; size++) {
    const cutter = new LineCutter();
    const lines = [];
    for (let at = 0; at < text.length; at += size) lines.push(...cutter.push(text.slice(at, at + size)));
    assert.deepEqual(lines, expected);
  }
});

test('lines of several containers are merged by time and only the newest are kept', () => {
  const line = (process: string, time: string) => toLogLine(process, { time, message: time });
  const merged = newest([line('web.1', '3'), line('web.1', '5'), line('web.2', '4'), line('web.2', '1')], 3);
  assert.deepEqual(
    merged.map((one) => one.time),
    ['3', '4', '5'],
  );
  assert.deepEqual(newest([line('web.1', '3')], 0), []);
});

test('a process filter means one instance or all of a type', () => {
  assert.ok(isOfProcess('web.1', undefined));
  assert.ok(isOfProcess('web.1', 'web'));
  assert.ok(isOfProcess('web.1', 'web.1'));
  assert.ok(!isOfProcess('web.10', 'web.1'));
  assert.ok(!isOfProcess('worker.1', 'web'));
});

test('since is never later than the line it stands for', () => {
  const since = sinceSeconds('2026-01-02T03:04:05.123456789Z');
  const exact = Date.parse('2026-01-02T03:04:05Z') / 1000 + 0.123456789;
  assert.ok(since < exact && exact - since < 0.001);
});

test('a tail is at most twenty lines and four kilobytes', () => {
  assert.equal(cutTail('\n\n'), null);
  assert.equal(cutTail('a\nb\n'), 'a\nb');
  const many = Array.from({ length: 50 }, (_, index) => `line ${index}`).join('\n');
  assert.equal(cutTail(many)?.split('\n').length, 20);
  assert.equal(cutTail(many)?.endsWith('line 49'), true);
  assert.equal(Buffer.byteLength(cutTail('x'.repeat(100_000)) ?? ''), 4096);
});

test('frames survive any chunking, and a frame over the limit is refused', () => {
  const bytes = Buffer.concat([encodeFrame(0, 'hello'), encodeFrame(1, ''), encodeFrame(2, '{"rows":1}')]);
  for (let size = 1; size <= bytes.length; size++) {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size)
      frames.push(...reader.push(bytes.subarray(at, at + size)));
    assert.deepEqual(
      frames.map(({ type, payload }) => [type, payload.toString()]),
      [
        [0, 'hello'],
        [1, ''],
        [2, '{"rows":1}'],
      ],
    );
  }
  const big = Buffer.alloc(5);
  big.writeUInt32BE(0x7fffffff, 1);
  assert.throws(() => new FrameReader().push(big), { code: 'too_large' });
  const reader = new FrameReader();
  assert.equal(reader.push(encodeFrame(0, Buffer.alloc(3 * 1024 * 1024))).length, 3);
});
