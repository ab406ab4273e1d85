// Every bad input of a user gets one clear message, and nothing is lost: the release that served goes on serving, and no number has a gap.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runCommand } from '@berth/kit/run-command.ts';
import { makeApp, serverFiles, serverSource, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;
let good: string;

before(async () => {
  // Short limits, so that what hangs is seen to hang within a test's patience.
  platform = await startPlatform({
    env: {
      BERTH_BOOT_TIMEOUT: '8',
      BERTH_BUILD_TIMEOUT_SECONDS: '30',
      BERTH_BUILD_DISK_MB: '300',
      BERTH_RELEASE_TIMEOUT: '10',
      BERTH_GRACE: '3',
    },
  });
  app = await makeApp(platform, 'steady', serverFiles('good'));
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  good = (await app.git('rev-parse', 'HEAD')).stdout.trim();
});
after(() => platform?.down());

/** Pushes these files over the good state, wants a rejection that says `message`, and wants the good release untouched. */
async function rejects(files: Record<string, string | null>, message: RegExp): Promise<string> {
  await app.git('reset', '-q', '--hard', good);
  await app.commit(files);
  const pushed = await app.push(['--force', 'main']);
  assert.notEqual(pushed.exitCode, 0, `accepted:\n${pushed.output}`);
  assert.match(pushed.output, message);
  assert.match(pushed.output, /remote rejected/);
  const answer = await app.get();
  assert.equal(answer.status, 200);
  assert.match(answer.body, /"version":"good"/);
  return pushed.output;
}

/** The same as a test's body. */
const refused = (files: Record<string, string | null>, message: RegExp) => async () => {
  await rejects(files, message);
};

const manifest = (extra: object) => JSON.stringify({ name: 'sample', version: '1.0.0', ...extra });

describe('source that cannot be built', () => {
  test(
    'with nothing recognisable in it',
    refused(
      { 'package.json': null, 'package-lock.json': null, 'server.js': null, 'notes.txt': 'hi' },
      / !\s+.*(recogni|no app)/i,
    ),
  );

  test(
    'with a Procfile that does not parse: the line is named',
    refused({ Procfile: 'web: node server.js\nthis is not a process\n' }, /Procfile.*line 2/i),
  );

  test(
    'with a package.json that does not parse',
    refused({ 'package.json': '{ "name": "x", }' }, /package\.json/),
  );

  test(
    'with a lockfile that is out of step',
    refused(
      {
        'package.json': manifest({
          scripts: { start: 'node server.js' },
          dependencies: { 'is-number': '7.0.0' },
        }),
      },
      /package-lock\.json/,
    ),
  );

  test(
    'with a Node version that cannot be had: near ones are named',
    refused(
      { 'package.json': manifest({ engines: { node: '24.999.x' }, scripts: { start: 'node server.js' } }) },
      /24\.\d+\.\d+/,
    ),
  );

  test(
    'with a build script that fails',
    refused(
      {
        'package.json': manifest({
          scripts: { start: 'node server.js', build: 'echo about to fail; exit 4' },
        }),
      },
      /about to fail[\s\S]*build/,
    ),
  );

  test(
    'with a build script that hangs',
    refused(
      { 'package.json': manifest({ scripts: { start: 'node server.js', build: 'sleep 600' } }) },
      /longer than/,
    ),
  );

  test(
    'with a build script that fills its log',
    refused(
      {
        'package.json': manifest({
          scripts: { start: 'node server.js', build: 'yes 0123456789012345678901234567890123456789' },
        }),
      },
      /printed more than/,
    ),
  );

  test(
    'with a build script that fills its disk',
    refused(
      {
        'package.json': manifest({
          scripts: {
            start: 'node server.js',
            build: 'dd if=/dev/zero of=big bs=1M count=20000; sleep 20',
          },
        }),
      },
      /wrote more than/,
    ),
  );

  test(
    'with a build script that fills its memory',
    refused(
      {
        'package.json': manifest({ scripts: { start: 'node server.js', build: 'node eat.js' } }),
        'eat.js': 'const all=[]; for(;;) all.push(Buffer.alloc(64*1024*1024, 1));',
      },
      /memory/,
    ),
  );
});

describe('an app that does not come up', () => {
  test('because it exits at once: its own words are shown', async () => {
    const output = await rejects(
      { 'server.js': 'console.error("no database, giving up"); process.exit(1);' },
      /exited with code 1/,
    );
    assert.match(output, /no database, giving up/);
  });

  test('because it never listens', refused({ 'server.js': 'setInterval(() => {}, 1000);' }, /listen/));

  test(
    'because it listens on another port',
    refused({ 'server.js': serverSource('x').replace('process.env.PORT', '3999') }, /3999/),
  );

  test(
    'because it listens on the loopback address only',
    refused(
      { 'server.js': serverSource('x').replace('process.env.PORT', "process.env.PORT, '127.0.0.1'") },
      /127\.0\.0\.1/,
    ),
  );

  test(
    'because its command does not exist',
    refused({ Procfile: 'web: nosuchprogram\n' }, /nosuchprogram|127/),
  );

  test('because its release phase fails: it never gets traffic', async () => {
    const output = await rejects(
      {
        Procfile: 'web: node server.js\nrelease: echo migrating; exit 5\n',
        'server.js': serverSource('unmigrated'),
      },
      /release phase/i,
    );
    assert.match(output, /migrating/);
  });
});

describe('pushes that are refused at the door', () => {
  const push = (url: string) =>
    runCommand(['git', '-c', 'credential.helper=', 'push', url, 'main'], {
      cwd: app.folder,
      env: platform.env,
      timeoutMs: 30_000,
    });
  const address = (credentials: string, name: string) =>
    `${platform.apiUrl.replace('://', `://${credentials}`)}/${name}.git`;

  test('without a token, with a wrong one, to nobody’s app, to somebody else’s', async () => {
    const created = await fetch(`${platform.apiUrl}/v1/users`, {
      method: 'POST',
      headers: { authorization: `Bearer ${platform.token()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'mallory' }),
    });
    const { token } = (await created.json()) as { token: string };
    for (const [url, message] of [
      [address('', 'steady'), /(401|Authentication|could not read Username)/i],
      [address('x:berth_wrong@', 'steady'), /(401|Authentication)/i],
      [address(`x:${platform.token()}@`, 'nobodys'), /(404|not found|no app)/i],
      [address(`x:${token}@`, 'steady'), /(403|somebody else)/i],
    ] as const) {
      const done = await push(url);
      assert.notEqual(done.exitCode, 0, url.replace(/:[^@/]+@/, ':…@'));
      assert.match(done.stderr, message);
    }
  });

  test('two at once: the newer wins and the older is told so', async () => {
    await app.git('reset', '-q', '--hard', good);
    await app.commit({
      'package.json': manifest({ scripts: { start: 'node server.js', build: 'sleep 6' } }),
      'server.js': serverSource('older'),
    });
    const older = app.push(['--force', 'main']);
    await new Promise((next) => setTimeout(next, 2500));
    await app.git('reset', '-q', '--hard', good);
    await app.commit({ 'server.js': serverSource('newer') });
    const newer = await app.push(['--force', 'main']);
    const first = await older;
    assert.notEqual(first.exitCode, 0);
    assert.match(first.output, /superseded by a newer push/);
    assert.equal(newer.exitCode, 0, newer.output);
    assert.match((await app.get()).body, /"version":"newer"/);
  });
});

test('after all of that the release numbers have no gap and one release is current', async () => {
  const listed = await app.json<{ releases?: { number: number; current: boolean }[] }>(
    'releases',
    '-n',
    '100',
  );
  const releases = (Array.isArray(listed) ? listed : (listed.releases ?? [])) as {
    number: number;
    current: boolean;
  }[];
  assert.deepEqual(
    releases.map((release) => release.number),
    Array.from(releases, (_, i) => releases.length - i),
  );
  assert.equal(releases.filter((release) => release.current).length, 1);
});
