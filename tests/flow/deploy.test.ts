// `berth deploy`: folders and archives without git, through the whole platform.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Build } from '@berth/contract/build.ts';
import type { Release } from '@berth/contract/release.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { TestRegistry } from '../engine/registry-harness.ts';
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
    ['deploy', 'succeeded', `deploy ${build?.commit?.slice(0, 7)}`],
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

/** The real docker CLI against the platform's engine. */
async function docker(args: string[], input?: string): Promise<string> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: platform.home, DOCKER_BUILDKIT: '0' };
  const host = `unix://${platform.runDir()}/engine.sock`;
  const argv: [string, ...string[]] = ['docker', '-H', host, ...args];
  const done = await runCommandOk(argv, { env, ...(input === undefined ? {} : { input }) });
  return done.stdout.toString('utf8').trim();
}

const server = `use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalPort => 8123, Listen => 16, ReuseAddr => 1) or die $!;
while (my $client = $listener->accept) {
  while (my $line = <$client>) { last if $line =~ /^\\r\\n$/ }
  my $body = "$ARGV[0] $< $ENV{PORT}";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close $client;
}`;

function dockerfile(word: string): string {
  const command = JSON.stringify(['/usr/bin/perl', '-e', server, word]);
  return `FROM berth/stack:13-tools\nUSER 1000\nEXPOSE 8123\nENTRYPOINT ${command}\n`;
}

test('an image of a registry is pinned, served as its author made it, and deployed again only when its tag has moved', async () => {
  const registry = await TestRegistry.start();
  try {
    const image = `${registry.address}/team/shop:1`;
    await docker(['build', '-q', '-t', image, '-'], dockerfile('one'));
    await docker(['push', image]);
    await docker(['rmi', image]);
    const done = await app.berth('deploy', '--image', image);
    assert.equal(done.exitCode, 0, done.stdout + done.stderr);
    assert.match(
      done.stdout,
      /-----> Image \S+\/team\/shop:1@sha256:[0-9a-f]{64}\n {7}port 8123, user "1000"/,
    );
    assert.equal((await app.until(({ body }) => body.startsWith('one'))).body, 'one 1000 8123');
    const [release] = await app.json<Release[]>('releases');
    assert.match(release?.description ?? '', /^image \S+\/team\/shop:1@sha256:[0-9a-f]{12}$/);
    const build = await app.json<Build>('builds:info');
    assert.deepEqual([build.trigger, build.commit, build.detected?.label], ['image', null, 'Image']);
    assert.equal(await docker(['images', '-q', image]), '', 'its name stays with nobody');

    const again = await app.berth('deploy', '--image', image);
    assert.equal(again.exitCode, 0, again.stdout + again.stderr);
    assert.match(again.stdout, /nothing has changed/);
    assert.equal((await app.json<Release[]>('releases'))[0]?.number, release?.number);
    const forced = await app.berth('deploy', '--image', image, '--force');
    assert.equal(forced.exitCode, 0, forced.stdout + forced.stderr);
    assert.equal((await app.json<Release[]>('releases'))[0]?.number, (release?.number ?? 0) + 1);

    await docker(['build', '-q', '-t', image, '-'], dockerfile('two'));
    await docker(['push', image]);
    const moved = await app.berth('deploy', '--image', image);
    assert.equal(moved.exitCode, 0, moved.stdout + moved.stderr);
    assert.equal((await app.until(({ body }) => body.startsWith('two'))).body, 'two 1000 8123');

    const missing = await app.berth('deploy', '--image', `${registry.address}/team/shop:none`);
    assert.deepEqual([missing.exitCode, /there is no image/.test(missing.stdout)], [1, true], missing.stdout);
  } finally {
    registry.close();
  }
});

test('an image that the engine has is for its owner and for admins; others learn nothing of it', async () => {
  const id = await docker(['build', '-q', '-'], `${dockerfile('local')}LABEL a=b\n`);
  const done = await app.berth('deploy', '--image', id);
  assert.equal(done.exitCode, 0, done.stdout + done.stderr);
  assert.match((await app.until(({ body }) => body.startsWith('local'))).body, /^local/);
  const silent = await docker(['build', '-q', '-'], 'FROM scratch\nLABEL a=c\n');
  const refused = await app.berth('deploy', '--image', silent);
  assert.match(refused.stdout, /names no command to run/);

  const api = async (method: string, path: string, token: string, body: unknown) => {
    const response = await fetch(`${platform.apiUrl}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return response.text();
  };
  const { token } = JSON.parse(await api('POST', '/users', platform.token(), { name: 'eve' })) as {
    token: string;
  };
  await api('POST', '/apps', token, { name: 'eves' });
  const stolen = await api('POST', '/apps/eves/deploys', token, { image: id });
  assert.match(stolen, /there is no image \\"sha256:[0-9a-f]{64}\\" on this platform/);
  const unnamed = await api('POST', '/apps/eves/deploys', token, { image: 'berth/deployed:latest' });
  assert.match(unnamed, /there is no image/);
});
