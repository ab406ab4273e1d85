import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRuntime } from './runtimes.ts';

test('takes its own runtime, by name or by default', () => {
  checkRuntime('');
  checkRuntime('berth');
});

test('refuses another runtime instead of running the container by its own', () => {
  assert.throws(() => checkRuntime('runsc'), { code: 'unsupported', message: /"runsc" is not supported/ });
  assert.throws(() => checkRuntime('nope'), {
    code: 'bad_request',
    message: 'unknown or invalid runtime name: nope',
  });
});
