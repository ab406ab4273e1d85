// Tests of the inner protocol's frames and of how a failed start is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, FrameReader } from './frames.ts';
import { failureOf, startFailureExitCode, startFailureText } from './runtime-failure.ts';

test('messages survive any cut of the byte stream', () => {
  const messages = [{ id: 1, op: 'a' }, { id: 2, text: 'ü'.repeat(1000) }, {}];
  const bytes = Buffer.concat(messages.map(encodeFrame));
  for (const size of [1, 2, 3, 7, 4096]) {
    const reader = new FrameReader();
    const seen: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size));
      for (let message = reader.take(); message; message = reader.take()) seen.push(message);
    }
    assert.deepEqual(seen, messages);
    assert.equal(reader.rest().length, 0);
  }
});

test('a frame over 1 MiB is refused on both sides', () => {
  assert.throws(() => encodeFrame({ text: 'x'.repeat(1024 * 1024) }), /more than 1 MiB/);
  const reader = new FrameReader();
  reader.push(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
  assert.throws(() => reader.take(), /too long/);
});

test('a failed start says what the docker CLI turns into 127 and 126', () => {
  const failure = (code: string, message: string) => failureOf({ ok: false, error: { code, message } });
  const missing = failure('exec_not_found', 'command "x" not found');
  assert.equal(startFailureExitCode(missing), 127);
  assert.match(startFailureText(missing), /executable file not found in \$PATH/);
  const folder = failure('exec_not_executable', '"/etc" cannot be run');
  assert.equal(startFailureExitCode(folder), 126);
  assert.match(startFailureText(folder), /permission denied/);
  assert.equal(startFailureExitCode(failure('cgroup', 'x')), 128);
  assert.equal(failureOf({ ok: true }), undefined);
});
