import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLogin } from './save-login.ts';

const a = { token: 'a', user: 'admin' };

test('the first login becomes the default', () => {
  assert.deepEqual(mergeLogin({ servers: {} }, 'http://one', 'a'), {
    servers: { 'http://one': a },
    default: 'http://one',
  });
});

test('a second server is added and the default stays', () => {
  const before = { servers: { 'http://one': a }, default: 'http://one' };
  assert.deepEqual(mergeLogin(before, 'http://two', 'b'), {
    servers: { 'http://one': a, 'http://two': { token: 'b', user: 'admin' } },
    default: 'http://one',
  });
});

test('a new token replaces the old one of the same server', () => {
  const after = mergeLogin({ servers: { 'http://one': a }, default: 'http://one' }, 'http://one', 'new');
  assert.equal(after.servers['http://one']?.token, 'new');
});

test('a default whose server is gone is replaced', () => {
  assert.equal(mergeLogin({ servers: {}, default: 'http://gone' }, 'http://one', 'a').default, 'http://one');
});
