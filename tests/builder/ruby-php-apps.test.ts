// Ruby, PHP and shell apps through the real engine: what is served, what is reused, what is refused and how. Runtimes come from Debian; gems and
// Composer packages lie in the fixtures.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbrp' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

/** The end of a build that must fail: what the pusher reads. */
async function refusal(app: string, files: Files): Promise<{ error: string; hint: string }> {
  const build = await bench.build(files, { app });
  assert.equal(build.end?.status, 'failed', build.output);
  const { error, hint } = build.end as { error: string; hint: string };
  return { error, hint };
}

async function home(build: FakeBuild, path = '/'): Promise<string> {
  const served = await bench.serve(build);
  try {
    const { status, body } = await served.get(path);
    assert.equal(status, 200, served.output());
    return body.trim();
  } finally {
    await served.stop();
  }
}

async function layersOf(build: FakeBuild): Promise<readonly string[] | undefined> {
  return (await bench.engine.inspectImage(resultOf(build).image))?.RootFS.Layers;
}

test('a Ruby script without a Gemfile is served', async () => {
  const build = await bench.build(fixture('ruby-plain'), { app: 'ruby-plain' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'ruby app.rb' });
  assert.match(await home(build), /^plain ruby 3\.3\./);
});

test('gems of vendor/cache, one of them in C: compiled once, the same layer each time, a changed line makes its source alone', async () => {
  const build = await bench.build(fixture('ruby-gems'), { app: 'ruby-gems' });
  assert.match(build.output, /Ruby 3\.3 as Debian has it .* instead of 3\.3\.5 \(Gemfile\)/);
  assert.equal(await home(build), 'gems on 3.3: 2 + 3 = 5');
  const { output } = await bench.runIn(resultOf(build).image, 'which gcc make; ls -A /app; bundle check');
  assert.match(
    output,
    /^Gemfile\nGemfile\.lock\nProcfile\nvendor\nThe Gemfile's dependencies are satisfied$/m,
  );

  const files = { ...fixture('ruby-gems'), Procfile: 'web: lamp --text "other gems on"\n' };
  const second = await bench.build(files, { app: 'ruby-gems' });
  assert.match(second.output, /^-----> Restoring gems \(unchanged\)$/m);
  assert.equal(await home(second), 'other gems on 3.3: 2 + 3 = 5');

  const again = await bench.build(fixture('ruby-gems'), { app: 'ruby-gems-again' });
  assert.deepEqual(await layersOf(again), await layersOf(build));
});

test('Rails with a package.json: Node comes first, assets are compiled with it and are in the image', async () => {
  const build = await bench.build(fixture('ruby-rails'), { app: 'ruby-rails' });
  const { processTypes, detected } = resultOf(build);
  assert.equal(detected?.driver, 'node+ruby');
  assert.deepEqual(processTypes, {
    web: 'ruby bin/rails server -b 0.0.0.0 -p $PORT',
    rake: 'rake',
    console: 'ruby bin/rails console',
  });
  assert.equal(await home(build), 'rails production: compiled by Node 24');
});

test('what a Ruby app lacks is said in one line', async () => {
  const files = fixture('ruby-gems');
  const { 'Gemfile.lock': lock, ...withoutLock } = files;
  assert.deepEqual(await refusal('ruby-bad', withoutLock), {
    error: 'there is no Gemfile.lock beside the Gemfile',
    hint: 'run "bundle install", commit Gemfile.lock (and see that .gitignore does not name it)',
  });
  const gemfile = files['Gemfile']?.toString() ?? '';
  const old = await refusal('ruby-bad', { ...files, Gemfile: gemfile.replace('3.3.5', '2.7.8') });
  assert.equal(old.error, 'there is no Ruby "2.7.8" (Gemfile)');
  assert.match(old.hint, /^nearest: 3\.1\.\d+, 3\.3\.\d+$/);
  const step = await refusal('ruby-bad', { ...files, Gemfile: `${gemfile}\ngem "sinatra"\n` });
  assert.equal(step.error, 'Gemfile.lock is out of step with the Gemfile');
  const mac = lock?.toString().replace(/ {2}ruby\n {2}x86_64-linux/, '  arm64-darwin-23') ?? '';
  const platform = await refusal('ruby-bad', { ...files, 'Gemfile.lock': mac });
  assert.equal(platform.error, 'Gemfile.lock is resolved for arm64-darwin-23, not for x86_64-linux');
});

test('plain PHP behind nginx: .user.ini counts, settings and hidden files are not served, each line of the log once', async () => {
  const build = await bench.build(fixture('php-plain'), { app: 'php-plain' });
  const served = await bench.serve(build);
  try {
    assert.match((await served.get('/?a=b')).body, /^plain php 8\.4 99M \/\?a=b$/m);
    assert.equal((await served.get('/.user.ini')).status, 404);
    assert.equal((await served.get('/nowhere.php')).status, 404);
    assert.equal(served.output().match(/a line for the log/g)?.length, 2);
  } finally {
    await served.stop();
  }
});

test('Composer: a path package, an extension, the compile script, a front controller', async () => {
  const build = await bench.build(fixture('php-composer'), { app: 'php-composer' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'heroku-php-nginx public/' });
  assert.equal(await home(build, '/any/path'), '1.234,5 for /any/path compiled');
  const { output } = await bench.runIn(
    resultOf(build).image,
    'ls vendor/berth; command -v composer || echo no composer',
  );
  assert.equal(output, 'greeting\nno composer\n');
});

test('a Procfile that names Apache gets Apache, and its .htaccess counts', async () => {
  const build = await bench.build(fixture('php-apache'), { app: 'php-apache' });
  assert.equal(await home(build, '/some-page'), 'rewritten by Apache: some-page');
});

test('what a PHP app lacks is said in one line', async () => {
  const files = fixture('php-composer');
  const { 'composer.lock': _, ...withoutLock } = files;
  assert.deepEqual(await refusal('php-bad', withoutLock), {
    error: 'there is no composer.lock beside composer.json',
    hint: 'run "composer update", commit composer.lock and push again',
  });
  const manifest = files['composer.json']?.toString() ?? '';
  const extension = manifest.replace('ext-intl', 'ext-swoole');
  const unknown = await refusal('php-bad', { ...files, 'composer.json': extension });
  assert.equal(unknown.error, 'there is no PHP extension "swoole" (composer.json)');
  const old = await refusal('php-bad', { ...files, 'composer.json': manifest.replace('^8.2', '~7.4.0') });
  assert.equal(old.error, 'there is no PHP "~7.4.0" ("require.php" of composer.json)');
  const broken = manifest.replace('php -r', 'exit 3; php -r');
  const script = await refusal('php-bad', { ...files, 'composer.json': broken });
  assert.match(script.error, /^the script "compile" of composer\.json failed: .*\(exit code 3\)$/);
});

test('a Procfile and a Perl script: Perl is added, nothing is built', async () => {
  const build = await bench.build(fixture('shell-perl'), { app: 'shell-perl' });
  assert.match(build.output, /^-----> Procfile app detected .*\n +no language is built/m);
  assert.equal(await home(build), 'perl says hello');
});

test('a start script alone is the web process; an empty Procfile is refused', async () => {
  const build = await bench.build(
    { 'start.sh': '#!/bin/sh\necho started on $PORT\n' },
    { app: 'shell-script' },
  );
  const { processTypes, image } = resultOf(build);
  assert.deepEqual(processTypes, { web: './start.sh' });
  assert.equal((await bench.runIn(image, './start.sh', { PORT: '5000' })).output, 'started on 5000\n');
  const nothing = await refusal('shell-bad', { Procfile: '# nothing yet\n', 'readme.txt': 'x' });
  assert.equal(nothing.error, 'nothing says how to start the app');
});
