// Tests of path patterns, query values and the filter that keeps a shim's exit frame from clients.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameOf } from '../logs/log-records.ts';
import { compilePattern, isSet } from './route.ts';
import { ExitFrameFilter } from './stream-bridge.ts';

test('patterns match whole paths, and image names may hold slashes', () => {
  assert.deepEqual(compilePattern('/containers/:id/json')('/containers/a%2Fb/json'), { id: 'a/b' });
  assert.equal(compilePattern('/containers/:id')('/containers/a/json'), undefined);
  assert.deepEqual(compilePattern('/images/*name/json')('/images/reg:5000/team/app:v1/json'), {
    name: 'reg:5000/team/app:v1',
  });
  assert.throws(() => compilePattern('/x/:id')('/x/%zz'), /not a well-formed path/);
});

test('booleans in queries are written in many ways', () => {
  const query = new URLSearchParams('a=1&b=true&c=0&d=False&e=');
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => isSet(query, name)),
    [true, true, false, false, false, false],
  );
  assert.equal(isSet(query, 'f', true), true);
});

test('the exit frame is taken out, wherever the stream is cut', () => {
  const exit = Buffer.from('{"exitCode":7}');
  const last = frameOf('stdout', exit);
  last[0] = 3;
  const output = Buffer.concat([
    frameOf('stdout', Buffer.from('one')),
    frameOf('stderr', Buffer.from('two')),
  ]);
  const bytes = Buffer.concat([output, last]);
  for (let size = 1; size <= bytes.length; size++) {
    let exitCode = -1;
    const filter = new ExitFrameFilter((code) => {
      exitCode = code;
    });
    const seen: Buffer[] = [];
    filter.on('data', (chunk: Buffer) => seen.push(chunk));
    for (let at = 0; at < bytes.length; at += size) filter.write(bytes.subarray(at, at + size));
    assert.equal(exitCode, 7);
    assert.deepEqual(Buffer.concat(seen), output);
  }
});
