// `npm run demo` from the point where everything is installed: the platform starts, the sample is pushed, the page is served; twice.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runCommand } from '@berth/kit/run-command.ts';
import { makePlatform, repository, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
before(async () => {
  platform = await makePlatform();
});
after(() => platform.down());

/** The first one may have to bootstrap the stack image from a slow mirror. */
const demo = async (timeoutMs: number) => {
  const argv: [string, ...string[]] = [process.execPath, join(repository, 'infra/up/demo.ts'), 'demo'];
  const { exitCode, stdout, stderr } = await runCommand(argv, { env: platform.env, timeoutMs });
  const text = stdout.toString('utf8') + stderr;
  assert.equal(exitCode, 0, text);
  return text;
};

test('the demo pushes the sample with git, shows the build and ends with what to do next', async () => {
  const text = await demo(300_000);
  const url = `http://hello\\.localhost:${platform.httpPort}`;
  assert.match(text, /remote: -----> Node\.js app detected/);
  assert.match(text, /remote: -----> Released v1/);
  assert.match(text, new RegExp(`${url} answers 200`));
  assert.match(text, new RegExp(`app +${url}`));
  assert.match(text, new RegExp(`API +${platform.apiUrl}`));
  assert.match(text, /git push berth main/);
  assert.match(text, /npm run down/);
});

test('the page is the sample, and tells its release', async () => {
  const { stdout } = await runCommand([
    'curl',
    '--silent',
    '--header',
    'Host: hello.localhost',
    `http://127.0.0.1:${platform.httpPort}/`,
  ]);
  assert.match(stdout.toString('utf8'), /<dt>release<\/dt><dd>v1<\/dd>/);
});

test('a second demo takes seconds and builds nothing', async () => {
  const startedAt = performance.now();
  const text = await demo(60_000);
  assert.ok(performance.now() - startedAt < 15_000);
  assert.match(text, /already running/);
  assert.match(text, /Everything up-to-date/);
  assert.doesNotMatch(text, /Released/);
});

test('a demo after down starts the same app again, without a build', async () => {
  const stopped = await platform.stop();
  assert.equal(stopped.exitCode, 0);
  assert.match(stopped.stdout.toString('utf8'), /container hello-web/);
  const text = await demo(120_000);
  assert.match(text, new RegExp(`hello\\.localhost:${platform.httpPort} answers 200`));
  assert.doesNotMatch(text, /Released/);
});
