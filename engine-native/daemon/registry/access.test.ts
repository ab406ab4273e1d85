import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseScope } from './access.ts';
import { makeToken, readToken } from './access-token.ts';
import { AccountFile } from './account-file.ts';
import { LoginLimit } from './login-limit.ts';
import { checkName, checkReference, matchesPattern } from './repository-name.ts';
import { SigningKey } from './signing-key.ts';

const key = new SigningKey(Buffer.alloc(32, 1));
const content = { user: 'ci', access: [{ type: 'repository', name: 'a/b', actions: ['pull'] }] };

test('a token is good for its service and its five minutes, and only as it was made', () => {
  const token = makeToken(key, 'here', content, 1_000_000);
  assert.deepEqual(readToken(key, 'here', token, 1_000_000 + 299_000), content);
  assert.equal(readToken(key, 'here', token, 1_000_000 + 301_000), undefined);
  assert.equal(readToken(key, 'there', token, 1_000_000), undefined);
  assert.equal(readToken(new SigningKey(Buffer.alloc(32, 2)), 'here', token, 1_000_000), undefined);
  const [head = '', body = '', signature = ''] = token.split('.');
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
  const other = Buffer.from(JSON.stringify({ ...content, aud: 'here', exp: 9e9 })).toString('base64url');
  const forged = [`${none}.${body}.`, `${none}.${body}.${signature}`, `${head}.${other}.${signature}`];
  for (const bad of [...forged, `${token}.x`, `${token}A`, head, '', 'a.b.c'])
    assert.equal(readToken(key, 'here', bad, 1_000_000), undefined, bad);
});

test('a signature for one use is none for another', () => {
  assert.equal(key.isSigned('upload', 'x', key.sign('token', 'x')), false);
  assert.equal(key.isSigned('upload', 'x', Buffer.alloc(0)), false);
});

test('scopes are read as docker writes them', () => {
  const scope = { type: 'repository', name: 'host:5000/a/b', actions: ['pull', 'push'] };
  assert.deepEqual(parseScope('repository:host:5000/a/b:pull,push'), scope);
  assert.deepEqual(parseScope('repository(plugin):a:pull')?.name, 'a');
  for (const wrong of ['', 'repository', 'repository:a', 'repository:a b:pull', ':a:pull'])
    assert.equal(parseScope(wrong), undefined, wrong);
});

test('names that lead anywhere else are no names', () => {
  for (const name of ['a', 'a/b', 'a-b/c_d/e__f.g', `${'a'.repeat(120)}/${'b'.repeat(120)}`])
    assert.equal(checkName(name), name);
  const bad = [
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '..',
    'a/../b',
    './a',
    '_tags',
    'a/_blobs',
    'A',
    'a b',
    'a\0',
    'a.',
    '.a',
  ];
  for (const name of [...bad, 'a\\b', 'a:b', 'a/b\n', 'é', 'a'.repeat(256)])
    assert.throws(() => checkName(name), { registryCode: 'NAME_INVALID' }, name);
  for (const reference of ['..', '', 'a/b', '-a', 'a'.repeat(129), 'latest\n'])
    assert.throws(() => checkReference(reference), { registryCode: 'MANIFEST_INVALID' }, reference);
  assert.throws(() => checkReference('sha256:x'), { registryCode: 'DIGEST_INVALID' });
});

test('a pattern grants what it covers and nothing beside it', () => {
  assert.equal(matchesPattern('team/app', 'team/*'), true);
  assert.equal(matchesPattern('team/a/b', 'team/*'), true);
  assert.equal(matchesPattern('team', 'team/*'), false);
  assert.equal(matchesPattern('teams/app', 'team/*'), false);
  assert.equal(matchesPattern('my-team/app', 'team/*'), false);
  assert.equal(matchesPattern('axb', 'a.b'), false);
  assert.equal(matchesPattern('anything/at/all', '*'), true);
});

test('failed logins are counted by the minute', () => {
  let now = 0;
  const limit = new LoginLimit(2, () => now);
  limit.failed('a');
  limit.check('a');
  limit.failed('a');
  assert.throws(() => limit.check('a'), {
    registryCode: 'TOOMANYREQUESTS',
    headers: { 'Retry-After': '60' },
  });
  limit.check('b');
  now = 60_000;
  limit.check('a');
});

test('users have hashed passwords and grants, and a file that is damaged lets nobody in', async () => {
  const root = mkdtempSync(join(tmpdir(), 'accounts-'));
  const path = join(root, 'registry', 'users.json');
  try {
    const accounts = new AccountFile(root);
    assert.equal(await accounts.isPassword('ci', 'a password'), false);
    await accounts.set('ci', 'a password', [
      { repositories: 'team/*', actions: ['pull', 'push'] },
      { repositories: 'team/app', actions: ['delete'] },
    ]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(await accounts.isPassword('ci', 'a password'), true);
    assert.equal(await accounts.isPassword('ci', 'another one'), false);
    assert.equal(await accounts.isPassword('constructor', 'a password'), false);
    assert.deepEqual(await accounts.allowed('ci', 'team/app'), ['pull', 'push', 'delete']);
    assert.deepEqual(await accounts.allowed('ci', 'other/app'), []);
    assert.deepEqual(await new AccountFile(root).allowed('ci', 'team/x'), ['pull', 'push']);
    await assert.rejects(accounts.set('a:b', 'a password', []), /not a user name/);
    await assert.rejects(accounts.set('ab', 'short', []), /8 to 256/);
    await assert.rejects(
      accounts.set('ab', 'a password', [{ repositories: '../x', actions: [] }]),
      /not a pattern/,
    );
    assert.equal(accounts.remove('constructor'), false);
    assert.equal(accounts.remove('ci'), true);
    assert.equal(await accounts.isPassword('ci', 'a password'), false);
    writeFileSync(path, '{');
    await assert.rejects(accounts.isPassword('ci', 'a password'), { code: 'unavailable' });
    await assert.rejects(accounts.set('ci', 'a password', []), { code: 'unavailable' });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
