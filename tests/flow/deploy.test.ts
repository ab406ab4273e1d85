// `berth deploy`: folders and archives without git, through the whole platform.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Build } from '@berth/contract/build.ts';
import type { Release } from '@berth/contract/release.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { makeApp, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'folder', { 'index.html': 'committed' });
});
after(() => platform?.down());

/** A folder beside the app's repository: no git in it. */
function folderOf(name: string, files: Record<string, string>): string {
  const folder = join(platform.home, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const site = {
  'index.html': '<h1>from the folder</h1>',
  'notes/secret.txt': 'nobody reads this',
  'dist/app.js': 'made',
  '.gitignore': 'dist/\nnotes/\n',
  '.berthignore': '!dist/\n',
};

test('a folder is built and served, without the files that it leaves out', async () => {
  const folder = folderOf('site', site);
  writeFileSync(join(folder, 'tool.sh'), '#!/bin/sh\n');
  chmodSync(join(folder, 'tool.sh'), 0o755);
  symlinkSync('index.html', join(folder, 'start.html'));
  const done = await app.berth('deploy', folder);
  assert.equal(done.exitCode, 0, done.stdout + done.stderr);
  assert.match(done.stderr, /^-----> Uploading 6 files of \S+site \(\d+ bytes\)\n$/);
  assert.match(done.stdout, /-----> Static site detected/);
  assert.match(
    done.stdout,
    /-----> Released v1\n {7}http:\/\/folder\.localhost:\d+[\s\S]* {7}live in \d+\.\d\ds\n$/,
  );
  assert.match((await app.until(({ status }) => status === 200)).body, /from the folder/);
  assert.equal((await app.get('/dist/app.js')).body, 'made');
  assert.equal((await app.get('/notes/secret.txt')).status, 404);
  const [build] = await app.json<Build[]>('builds');
  const [release] = await app.json<Release[]>('releases');
  assert.deepEqual(
    [build?.trigger, build?.status, release?.description],
    ['deploy', 'succeeded', `deploy ${build?.commit.slice(0, 7)}`],
  );
  const { stdout } = await app.git('ls-remote', 'berth');
  assert.match(stdout, /\trefs\/berth\/deploys\/1\n$/);
  assert.doesNotMatch(stdout, /refs\/heads/);
});

test('the same folder again takes the image that is there; a push goes on as if nothing had been deployed', async () => {
  const again = await app.berth('deploy', join(platform.home, 'site'));
  assert.equal(again.exitCode, 0, again.stdout + again.stderr);
  assert.match(again.stdout, /-----> Using the image of build 1 \(same source\)/);
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  assert.match((await app.until(({ body }) => body.includes('committed'))).body, /committed/);
});

test('an archive is deployed as the one folder in it', async () => {
  const archive = join(platform.home, 'app.tar.gz');
  const env = { PATH: '/usr/bin:/bin' };
  await runCommandOk(['tar', '-czf', archive, '-C', platform.home, '--exclude=notes', 'site'], { env });
  const done = await app.berth('deploy', '--archive', archive);
  assert.equal(done.exitCode, 0, done.stdout + done.stderr);
  assert.match((await app.until(({ body }) => body.includes('folder'))).body, /from the folder/);
});

test('what cannot be built is said with its reason and an exit code, and the old release serves', async () => {
  const folder = folderOf('broken', { Dockerfile: 'FROM berth/stack:13\nRNU true\n' });
  const done = await app.berth('deploy', folder);
  assert.notEqual(done.exitCode, 0);
  assert.match(done.stdout, / ! {5}dockerfile parse error on line 2/);
  assert.match((await app.get()).body, /from the folder/);
  const missing = await app.berth('deploy', join(platform.home, 'not-there'));
  assert.deepEqual([missing.exitCode, /there is no folder/.test(missing.stderr)], [4, true]);
  const text = await app.berth('deploy', '--archive', join(folder, 'Dockerfile'));
  assert.notEqual(text.exitCode, 0);
  assert.match(text.stderr, /the archive is damaged, or no tar/);
});

test('of two at once the later one is served, and the earlier one is told', async () => {
  const slow = folderOf('slow', { Dockerfile: 'FROM berth/stack:13\nRUN sleep 60\nCMD ["true"]\n' });
  const first = app.berth('deploy', slow);
  for (let builds: Build[] = []; builds[0]?.status !== 'running'; )
    builds = await app.json<Build[]>('builds');
  const second = await app.berth('deploy', folderOf('newer', { 'index.html': 'the newer one' }));
  assert.equal(second.exitCode, 0, second.stdout + second.stderr);
  const ended = await first;
  assert.deepEqual(
    [ended.exitCode, /superseded by a newer deploy/.test(ended.stdout)],
    [5, true],
    ended.stdout,
  );
  assert.match((await app.until(({ body }) => body.includes('newer'))).body, /the newer one/);
});
