// The user's way with the real git, the real CLI and the real engine: create, push, configure, scale, roll back, run, destroy.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeApp, serverFiles, serverSource, startLoad, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'hello', serverFiles('one'));
});
after(() => platform?.down());

interface ReleaseJson {
  number: number;
  current: boolean;
  status: string;
  description: string;
}

const releases = async () => {
  const listed = await app.json<{ releases: ReleaseJson[] } | ReleaseJson[]>('releases');
  return Array.isArray(listed) ? listed : listed.releases;
};
const version = (body: string) => (JSON.parse(body) as { version: string }).version;

describe('the way of a push', () => {
  test('an app without a release says so on its page', async () => {
    const answer = await app.get();
    assert.equal(answer.status >= 400, true);
    assert.match(answer.body, /nothing here yet/i);
  });

  test('git push prints the build live, releases v1 and serves it', async () => {
    const pushed = await app.push();
    assert.equal(pushed.exitCode, 0, pushed.output);
    for (const line of [
      /remote: -----> .*Node/,
      /remote: -----> Released v1/,
      /remote: {8}http:\/\/hello\.localhost/,
      /remote: {8}live in \d+\.\d+s/,
    ])
      assert.match(pushed.output, line);
    const answer = await app.get();
    assert.deepEqual([answer.status, version(answer.body), answer.headers['x-release']], [200, 'one', 'v1']);
  });

  test('a second push of new source is v2, reusing what did not change', async () => {
    await app.commit({ 'server.js': serverSource('two') });
    const pushed = await app.push();
    assert.equal(pushed.exitCode, 0, pushed.output);
    assert.match(pushed.output, /Released v2/);
    assert.equal(version((await app.get()).body), 'two');
  });

  test('an empty commit builds nothing and is still a release', async () => {
    await app.commit({});
    const pushed = await app.push();
    assert.equal(pushed.exitCode, 0, pushed.output);
    assert.match(pushed.output, /Released v3/);
    const builds = await app.json<
      { builds: { number: number; reused: boolean }[] } | { number: number; reused: boolean }[]
    >('builds');
    const newest = (Array.isArray(builds) ? builds : builds.builds)[0];
    assert.equal(newest?.reused, true);
  });

  test('pushing nothing new says so and makes no release', async () => {
    const pushed = await app.push();
    assert.equal(pushed.exitCode, 0);
    assert.match(pushed.output, /Everything up-to-date/);
    assert.equal((await releases()).length, 3);
  });

  test('another branch is kept, does not deploy, and says what would', async () => {
    await app.git('checkout', '-q', '-b', 'feature');
    await app.commit({ 'server.js': serverSource('feature') });
    const pushed = await app.push(['feature']);
    assert.equal(pushed.exitCode, 0, pushed.output);
    assert.match(pushed.output, /git push berth feature:main/);
    assert.equal(version((await app.get()).body), 'two');
    await app.git('checkout', '-q', 'main');
  });

  test('what is deployed can be cloned', async () => {
    const cloned = await app.git('ls-remote', 'berth', 'refs/heads/main');
    const head = await app.git('rev-parse', 'HEAD');
    assert.equal(cloned.stdout.split('\t')[0], head.stdout.trim());
  });

  test('a failing build rejects the push; the old release goes on and the branch has not moved', async () => {
    const before = await app.git('ls-remote', 'berth', 'refs/heads/main');
    const good = (await app.git('rev-parse', 'HEAD')).stdout.trim();
    await app.commit({
      'package.json': JSON.stringify({
        name: 'sample',
        version: '1.0.0',
        scripts: { start: 'node server.js', build: 'echo breaking; exit 3' },
      }),
    });
    const pushed = await app.push();
    assert.notEqual(pushed.exitCode, 0);
    assert.match(pushed.output, /breaking/);
    assert.match(pushed.output, /remote rejected/);
    assert.equal(version((await app.get()).body), 'two');
    assert.deepEqual((await app.git('ls-remote', 'berth', 'refs/heads/main')).stdout, before.stdout);
    await app.git('reset', '-q', '--hard', good);
  });
});

describe('the life of a release', () => {
  test('config:set makes a release without a build and prints it', async () => {
    const builds = (await app.json<unknown[] | { builds: unknown[] }>('builds')) as { builds?: unknown[] };
    const done = await app.berth('config:set', 'GREETING=moin');
    assert.equal(done.exitCode, 0, done.stderr);
    assert.match(done.stdout + done.stderr, /v4/);
    assert.equal((JSON.parse((await app.get()).body) as { greeting: string }).greeting, 'moin');
    assert.deepEqual(await app.json('builds'), builds);
  });

  test('rollback points back in a new release', async () => {
    const done = await app.berth('rollback', 'v1');
    assert.equal(done.exitCode, 0, done.stderr);
    const answer = JSON.parse((await app.get()).body) as { version: string; greeting?: string };
    assert.deepEqual([answer.version, answer.greeting], ['one', undefined]);
    const [newest] = await releases();
    assert.deepEqual([newest?.number, newest?.current, newest?.description], [5, true, 'rollback to v1']);
  });

  test('scaling changes instances, makes no release, and requests go to all of them', async () => {
    const before = (await releases()).length;
    const done = await app.berth('ps:scale', 'web=3');
    assert.equal(done.exitCode, 0, done.stderr);
    const seen = new Set<string>();
    for (let i = 0; i < 200 && seen.size < 3; i++) {
      const answer = await app.until((found) => found.status === 200);
      seen.add((JSON.parse(answer.body) as { instance: string }).instance);
      await new Promise((next) => setTimeout(next, 20));
    }
    assert.deepEqual([...seen].sort(), ['web.1', 'web.2', 'web.3']);
    assert.equal((await releases()).length, before);
    assert.equal((await app.berth('ps:scale', 'web=1')).exitCode, 0);
  });

  test('the log has what the app printed and what the router served', async () => {
    const { stdout } = await app.berth('logs', '-n', '200');
    assert.match(stdout, /web\.1.*listening, version one/);
    assert.match(stdout, /router.*status=200/);
  });

  test('run executes a command in the release, with its exit code', async () => {
    const done = await app.berth('run', '--no-tty', 'node -e "console.log(40+2); process.exit(7)"');
    assert.match(done.stdout, /42/);
    assert.equal(done.exitCode, 7);
  });

  test('nothing that deploys, scales, restarts or rolls back fails a request', async () => {
    const load = startLoad(platform.httpPort, 'hello', 200);
    try {
      for (const args of [
        ['config:set', 'GREETING=a'],
        ['ps:restart'],
        ['ps:scale', 'web=2'],
        ['rollback'],
        ['ps:scale', 'web=1'],
      ]) {
        const done = await app.berth(...args);
        assert.equal(done.exitCode, 0, `${args.join(' ')}: ${done.stderr}`);
      }
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.failed.slice(0, 5), [], `${load.failed.length} of ${load.sent} failed`);
    assert.ok(load.sent > 100);
  });

  test('a process that is stopped gets SIGTERM and the time to end by itself', async () => {
    assert.equal((await app.berth('ps:restart')).exitCode, 0);
    let log = '';
    for (let i = 0; i < 50 && !/closed, version/.test(log); i++) {
      await new Promise((next) => setTimeout(next, 200));
      log = (await app.berth('logs', '-n', '500')).stdout;
    }
    assert.match(log, /web\.1.*closing, version[\s\S]*web\.1.*closed, version/);
    assert.doesNotMatch(log, /killed by SIG/);
  });

  test('scaled to nothing says so; destroyed is gone and its name is free', async () => {
    assert.equal((await app.berth('ps:scale', 'web=0')).exitCode, 0);
    await app.until((answer) => answer.status >= 500);
    const refused = await app.berth('apps:destroy', '--confirm', 'wrong');
    assert.notEqual(refused.exitCode, 0);
    assert.equal((await app.berth('apps:destroy', '--confirm', 'hello')).exitCode, 0);
    await app.until((answer) => answer.status === 404);
    assert.equal((await platform.berth(['create', 'hello', '--no-remote'])).exitCode, 0);
  });
});
