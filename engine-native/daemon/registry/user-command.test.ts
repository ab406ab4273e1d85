import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import type { Action } from './access.ts';
import { AccountFile } from './account-file.ts';
import { runUserCommand } from './user-command.ts';

let root = '';
let printed: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'users-'));
  printed = [];
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function command(
  line: string,
  repositories: string[] = [],
  actions: Action[] = [],
  stdin = 'a long password\n',
) {
  return runUserCommand(
    line.split(' '),
    { repositories, actions },
    { root, stdin: Readable.from([Buffer.from(stdin)]), print: (text) => printed.push(text) },
  );
}

test('a user is added with the password of stdin, listed and removed', async () => {
  await command('user add ci', ['team/*', 'base'], ['pull', 'push']);
  assert.equal(await new AccountFile(root).isPassword('ci', 'a long password'), true);
  await command('user ls');
  await command('user rm ci');
  assert.deepEqual(printed, [
    'user "ci" may pull, push team/*, base',
    'ci  team/*:pull,push base:pull,push',
    'user "ci" is removed; its tokens end within five minutes',
  ]);
  await assert.rejects(command('user rm ci'), { code: 'not_found' });
});

test('what is missing or wrong is said, and adds nobody', async () => {
  await assert.rejects(command('user add ci'), /which repositories/);
  await assert.rejects(command('user add ci', ['a']), /which repositories/);
  await assert.rejects(command('user add', ['a'], ['pull']), /is no command/);
  await assert.rejects(command('user add ci', ['a'], ['pull'], 'short'), /8 to 256/);
  await assert.rejects(command('user add ci', ['a'], ['pull'], 'x'.repeat(2000)), /too long/);
  await assert.rejects(command('user ls all'), /is no command/);
  await assert.rejects(command('team add ci'), /is no command/);
  assert.deepEqual(new AccountFile(root).list(), []);
});
