// Folders and archives that come as a tar: they become commits under refs/berth/deploys, checked like a push; hostile ones leave nothing.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { fileEntries, type TarEntry, tarHeader, writeTar } from '@berth/kit/write-tar.ts';
import { goodRelease } from './fake-controller.ts';
import { ReceiverFixture, until } from './receiver-fixture.ts';

let fixture: ReceiverFixture;
before(async () => {
  fixture = await ReceiverFixture.start({ BERTH_TREE_MAX_FILES: '50', BERTH_TREE_MAX_BYTES: '20000000' });
});
after(() => fixture.close());
beforeEach(async () => {
  // The receiver tells how the last test's pushes landed after their pushers have their answer: nobody could tell it of a push that is forgotten here.
  await fixture.leftovers();
  fixture.controller.pushes.length = 0;
  fixture.controller.script = goodRelease;
});

interface Answer {
  status: number;
  lines: string[];
  end: { ok: boolean; code: string; message: string; release: number | null } | undefined;
  error: { code: string; message: string; hint?: string } | undefined;
}

function send(body: Buffer, options: { query?: string; token?: string } = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request({
    host: '127.0.0.1',
    port: fixture.port,
    method: 'POST',
    path: `/v1/apps/hello/deploys${options.query ?? ''}`,
    headers: {
      authorization: `Basic ${Buffer.from(`:${options.token ?? 'good'}`).toString('base64')}`,
      'content-type': 'application/x-tar',
    },
    agent: false,
  });
  sent.on('error', reject);
  sent.on('response', async (response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (error) {
      return reject(error as Error);
    }
    const texts = Buffer.concat(chunks).toString('utf8').split('\n').filter(Boolean);
    const parsed = texts.map((line) => JSON.parse(line) as Record<string, unknown>);
    resolve({
      status: response.statusCode ?? 0,
      lines: parsed.flatMap(({ text }) => (typeof text === 'string' ? [text] : [])),
      end: parsed.find((line) => 'end' in line) as Answer['end'],
      error: parsed.find((line) => 'error' in line)?.['error'] as Answer['error'],
    });
  });
  sent.end(body);
  return { answer: promise, sent };
}

async function tarOf(entries: Iterable<TarEntry>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of writeTar(entries)) parts.push(part);
  return Buffer.concat(parts);
}

function file(path: string, content = 'x', mode = 0o644): TarEntry {
  return { path, kind: 'file', mode, size: content.length, content: Buffer.from(content) };
}

const git = async (...args: string[]) =>
  (await fixture.git(['--git-dir', fixture.repository, ...args])).text.trim();

async function nothingLeft(): Promise<void> {
  await until(
    () =>
      readdirSync(`${fixture.folder}/data/git`).every((name) => !name.startsWith('.new-')) &&
      readdirSync(`${fixture.repository}/objects`).every((name) => !/incoming/.test(name)),
    'spool and quarantine are gone',
  );
}

test('a tar of a folder, packed by GNU tar, is the tree that git would make of it', async () => {
  const folder = join(fixture.folder, 'source');
  mkdirSync(join(folder, 'lib/a.d'), { recursive: true });
  writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(folder, 'lib/a.txt'), 'sorted before a.d/ and after it\n');
  writeFileSync(join(folder, 'lib/a.d/größe'), 'one');
  writeFileSync(join(folder, `${'long-'.repeat(30)}name`), 'one');
  writeFileSync(join(folder, 'big'), Buffer.alloc(3_000_000, 'abc'));
  writeFileSync(join(folder, 'big-again'), Buffer.alloc(3_000_000, 'abc'));
  symlinkSync('../run.sh', join(folder, 'lib/link'));
  const env = { PATH: '/usr/bin:/bin', HOME: fixture.folder, GIT_CONFIG_NOSYSTEM: '1' };
  const pack = async (...args: string[]) =>
    (await runCommandOk(['tar', ...args, '-c', '-C', folder, '--exclude=.git', '.'], { env })).stdout;
  await fixture.git(['init', '-q'], folder);
  await fixture.git(['add', '-A'], folder);
  const tree = (await fixture.git(['write-tree'], folder)).text.trim();
  for (const body of [
    await pack('--format=gnu'),
    gzipSync(await pack('--format=posix')),
    zstdCompressSync(await pack('--format=posix')),
  ]) {
    const { status, lines, end } = await send(body).answer;
    assert.equal(status, 200);
    assert.deepEqual(end && { ok: end.ok, code: end.code, release: end.release }, {
      ok: true,
      code: 'ok',
      release: 1,
    });
    assert.equal(lines[0], '-----> Node.js app detected');
    assert.match(lines.at(-1) ?? '', /^ {7}live in \d+\.\d\ds$/);
    assert.equal(fixture.controller.pushes.at(-1)?.body.treeOid, tree);
  }
  assert.equal(
    await git('for-each-ref', '--format=%(refname)'),
    'refs/berth/deploys/1\nrefs/berth/deploys/2\nrefs/berth/deploys/3',
  );
  assert.match(
    await git('log', '-1', '--format=%an %s', 'refs/berth/deploys/3'),
    /^\S+ deploy of a folder by \S+$/,
  );
  const { body, landed } = fixture.controller.pushes[0] ?? {};
  assert.deepEqual([body?.trigger, body?.ref, landed], ['deploy', 'refs/berth/deploys/1', [true]]);
  assert.equal(await git('fsck', '--strict', '--no-dangling', 'refs/berth/deploys/3'), '');
  await nothingLeft();
});

test('the branch stays where it is: its head is the parent, and the next push goes on from it', async () => {
  const project = await fixture.project('branch');
  assert.equal((await fixture.git(['push', fixture.url(), 'main'], project)).code, 0);
  const head = (await fixture.git(['rev-parse', 'HEAD'], project)).text.trim();
  const { end } = await send(await tarOf([file('index.html')])).answer;
  assert.equal(end?.ok, true);
  assert.equal(await fixture.ref(), head);
  const ref = fixture.controller.pushes.at(-1)?.body.ref ?? '';
  assert.equal(await git('rev-parse', `${ref}^`), head);
  await fixture.git(['commit', '-q', '--allow-empty', '-m', 'next'], project);
  assert.equal((await fixture.git(['push', fixture.url(), 'main'], project)).code, 0);
  const taken = await fixture.git(['push', fixture.url(), 'main:refs/berth/deploys/77'], project);
  assert.notEqual(taken.code, 0, 'what the platform keeps there is not pushed');
  assert.match(taken.text, /hidden ref/);
});

test('an archive with one folder in it is deployed as that folder when the client asks', async () => {
  const body = await tarOf(
    fileEntries([{ path: 'app-1.2/index.html', mode: 0o644, content: Buffer.from('x') }]),
  );
  await send(body, { query: '?enter=true' }).answer;
  const commit = fixture.controller.pushes.at(-1)?.body.newOid ?? '';
  assert.equal(await git('ls-tree', '-r', '--name-only', commit), 'index.html');
});

test('a build that fails is told with its code, and leaves no ref', async () => {
  fixture.controller.script = async (_push, out) => {
    out.line(1, '       error: no such package');
    out.end(false, { message: 'npm ci failed', hint: 'look above' });
  };
  const before = await git('for-each-ref');
  const { status, lines, end } = await send(await tarOf([file('a')])).answer;
  assert.equal(status, 200);
  assert.deepEqual(lines, ['       error: no such package', ' !     npm ci failed', ' !     look above']);
  assert.deepEqual([end?.ok, end?.code, end?.message], [false, 'build_failed', 'npm ci failed']);
  assert.equal(await git('for-each-ref'), before);
  assert.deepEqual(fixture.controller.pushes[0]?.landed, [false]);
  await nothingLeft();
});

test('a client that leaves ends the build', async () => {
  let isFollowed = false;
  fixture.controller.script = async (_push, out) => {
    isFollowed = true;
    out.line(1, '-----> Building');
    await until(() => out.gone, 'the follower leaves');
  };
  const { sent, answer } = send(await tarOf([file('a')]));
  answer.catch(() => {});
  await until(() => isFollowed, 'the build is followed');
  sent.destroy();
  await until(() => fixture.controller.pushes[0]?.followerLeft === true, 'the controller is told');
  await until(() => fixture.controller.pushes[0]?.landed.length === 1, 'the push has ended');
  await nothingLeft();
});

test('what does not belong in a tree is refused by name, and nothing is started', async () => {
  const raw = (type: string, path: string, link = '') => {
    const block = tarHeader({ path, kind: 'file', mode: 0o644, size: 0 });
    block.write(type, 156);
    block.write(link, 157);
    block.write('        ', 148);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return Buffer.concat([block, Buffer.alloc(1024)]);
  };
  const tooMany = Array.from({ length: 51 }, (_, index) => file(`f${index}`));
  const cases: [Buffer, RegExp, string][] = [
    [await tarOf([file('../etc/passwd')]), /^"\.\.\/etc\/passwd" leads out of the folder$/, 'invalid'],
    [await tarOf([file('a/../../b')]), /leads out of the folder/, 'invalid'],
    [await tarOf([file('/etc/passwd')]), /is an absolute path/, 'invalid'],
    [await tarOf([file('.git/config')]), /"\.git\/config" is git's own/, 'invalid'],
    [await tarOf([file('lib/.GIT/hooks/x')]), /is git's own/, 'invalid'],
    [await tarOf([file('git~1/config')]), /git refuses these files: .*/, 'invalid'],
    [raw('3', 'dev/null'), /"dev\/null" is a device/, 'invalid'],
    [raw('6', 'pipe'), /"pipe" is a named pipe/, 'invalid'],
    [raw('1', 'hard', '/etc/shadow'), /absolute path/, 'invalid'],
    [raw('1', 'hard', 'not-there'), /"hard" is a hard link to "not-there"/, 'invalid'],
    [
      await tarOf([
        { path: 'a', kind: 'symlink', mode: 0o777, size: 0, linkTarget: '/etc' },
        file('a/passwd'),
      ]),
      /below a file or a link/,
      'invalid',
    ],
    [await tarOf([]), /there is no file to deploy/, 'invalid'],
    [Buffer.from('hello, this is no archive'.repeat(50)), /damaged, or no tar/, 'invalid'],
    [(await tarOf([file('a', 'x'.repeat(5000))])).subarray(0, 2000), /ends in the middle/, 'invalid'],
    [
      gzipSync(await tarOf([file('a', 'x'.repeat(5000))])).subarray(0, 60),
      /damaged|in the middle/,
      'invalid',
    ],
    [Buffer.from('PK\x03\x04 a zip'), /packed with zip are not taken/, 'invalid'],
    [await tarOf(tooMany), /the push holds 51 files; the limit is 50/, 'too_large'],
    [
      gzipSync(
        Buffer.concat([
          tarHeader({ path: 'bomb', kind: 'file', mode: 0o644, size: 30_000_000 }),
          Buffer.alloc(30_000_512),
        ]),
      ),
      /holds 29 MiB of files/,
      'too_large',
    ],
  ];
  for (const [body, message, code] of cases) {
    const { error, end, lines } = await send(body).answer;
    assert.match(error?.message ?? lines.join('\n'), message);
    assert.equal(error?.code ?? end?.code, code, String(message));
  }
  assert.equal((await send(Buffer.alloc(0), { token: 'wrong' }).answer).status, 401);
  assert.equal(fixture.controller.pushes.length, 0);
  await nothingLeft();
});
