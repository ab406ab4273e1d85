// Reading a token out of an Authorization header, in every form that clients send and some that only attackers do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokenOf } from './authenticate.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('a bearer token and both halves of basic are found', () => {
  assert.equal(tokenOf('Bearer berth_x'), 'berth_x');
  assert.equal(tokenOf('bearer   berth_x'), 'berth_x');
  assert.equal(tokenOf(basic('git:berth_x')), 'berth_x');
  assert.equal(tokenOf(basic('berth_x:')), 'berth_x');
  assert.equal(tokenOf(basic('git:a:b')), 'a:b');
});

test('empty, odd and huge headers give no token and no error', () => {
  for (const header of [
    undefined,
    null,
    '',
    'Basic',
    'Basic ',
    'Bearer',
    'Digest x',
    basic(''),
    basic('nocolon'),
    basic(':'),
    'Basic %%%',
    `Bearer ${'x'.repeat(5000)}`,
  ])
    assert.equal(tokenOf(header), undefined, String(header).slice(0, 20));
});
