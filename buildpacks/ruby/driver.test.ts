import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { rubyDriver } from './driver.ts';
import { explainInstall, needsCompilers } from './explain.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => [],
};
const planOf = (files: Record<string, string>): Promise<BuildPlan> =>
  rubyDriver.plan(treeOfFiles(files), context);
const shape = ({ layers }: BuildPlan) =>
  layers.map(({ id, inImage }) => `${id}${inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;
const lockOf = (...gems: string[]) =>
  `GEM\n  remote: https://rubygems.org/\n  specs:\n${gems.map((gem) => `    ${gem} (1.0.0)\n`).join('')}\nPLATFORMS\n  x86_64-linux\n\nDEPENDENCIES\n\nBUNDLED WITH\n   2.5.4\n`;
const rack = {
  Gemfile: 'source "https://rubygems.org"\ngem "rack"\n',
  'Gemfile.lock': lockOf('rack', 'puma'),
  'config.ru': '',
};

test('a rack app: the whole install step', async () => {
  const plan = await planOf(rack);
  assert.deepEqual(shape(plan), ['runtime', 'headers (not in the image)', 'dependencies', 'source']);
  const { script, explain, withCompilers, key, ...step } = run(plan, 'dependencies');
  assert.equal(explain, explainInstall);
  assert.match(script, /^ {2}bundle install$/m);
  assert.deepEqual(withCompilers, { when: needsCompilers, on: ['headers'], env: {} });
  assert.equal(key.length, 5);
  assert.deepEqual(step, {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: 'Installing gems (Gemfile.lock)',
    cachedTitle: 'Restoring gems (unchanged)',
    step: 'dependencies',
    on: ['runtime'],
    scope: 'app',
    files: ['Gemfile', 'Gemfile.lock'],
    stack: 'run',
    user: 'app',
    env: {
      BUNDLE_PATH: '/app/vendor/bundle',
      BUNDLE_DEPLOYMENT: '1',
      BUNDLE_APP_CONFIG: '/opt/berth/bundle',
      BUNDLE_VERSION: 'system',
      BUNDLE_USER_HOME: '/tmp/bundler',
      BUNDLE_JOBS: '4',
      BUNDLE_RETRY: '3',
      BUNDLE_USER_CACHE: '/cache/bundler',
      BUNDLE_GLOBAL_GEM_CACHE: 'true',
      BUNDLE_NO_PRUNE: 'true',
      BUNDLE_SILENCE_ROOT_WARNING: 'true',
      VENDORED: '',
    },
    path: [],
    vars: 'install',
    caches: { bundler: '/cache/bundler' },
    keep: '/app',
    leaveOut: ['.bundle', '.cache'],
    quiet: false,
  });
  assert.deepEqual(plan.defaultProcessTypes, { web: 'bundle exec puma -b tcp://0.0.0.0:$PORT' });
  assert.deepEqual(plan.path, ['/app/vendor/bundle/ruby/3.3.0/bin']);
});

test('the key of the gems changes with Gemfile.lock, not with the source', async () => {
  const keyOf = async (files: Record<string, string>) => run(await planOf(files), 'dependencies').key;
  assert.deepEqual(await keyOf({ ...rack, 'config.ru': 'other' }), await keyOf(rack));
  assert.notDeepEqual(await keyOf({ ...rack, 'Gemfile.lock': lockOf('rack') }), await keyOf(rack));
});

test('gems out of the tree are installed over the source; gems from git on the build variant', async () => {
  const path = await planOf({
    ...rack,
    'Gemfile.lock': `PATH\n  remote: engines/one\n  specs:\n    one (1.0.0)\n\n${rack['Gemfile.lock']}`,
  });
  assert.deepEqual(shape(path), ['runtime', 'source', 'headers (not in the image)', 'dependencies']);
  assert.deepEqual(run(path, 'dependencies').files, []);
  const git = await planOf({
    ...rack,
    'Gemfile.lock': `GIT\n  remote: https://example.org/one.git\n  specs:\n    one (1.0.0)\n\n${rack['Gemfile.lock']}`,
  });
  assert.equal(run(git, 'dependencies').stack, 'build');
  assert.deepEqual(run(git, 'dependencies').on, ['runtime', 'headers']);
});

test('Rails: libraries of its gems, assets over the source, process types, Node when there is a package.json', async () => {
  const rails = {
    Gemfile: 'gem "rails"\n',
    'Gemfile.lock': lockOf('railties', 'rake', 'pg', 'sidekiq'),
    Rakefile: '',
    'bin/rails': '',
    'config.ru': '',
  };
  const plan = await planOf(rails);
  assert.deepEqual(shape(plan), [
    'runtime',
    'runtime-libraries',
    'headers (not in the image)',
    'dependencies',
    'source',
    'output',
  ]);
  assert.equal(run(plan, 'output').env['DATABASE_ADAPTER'], 'postgres');
  assert.deepEqual(plan.defaultProcessTypes, {
    web: 'ruby bin/rails server -b 0.0.0.0 -p $PORT',
    worker: 'bundle exec sidekiq',
    rake: 'bundle exec rake',
    console: 'ruby bin/rails console',
  });
  assert.equal(plan.env['RAILS_ENV'], 'production');
  assert.deepEqual(await rubyDriver.goesWith?.(treeOfFiles(rails)), []);
  assert.deepEqual(await rubyDriver.goesWith?.(treeOfFiles({ ...rails, 'package.json': '{}' })), ['node']);
  const compiled = await planOf({ ...rails, 'public/assets/.manifest.json': '{}' });
  assert.equal(shape(compiled).includes('output'), false);
});

test('versions: lines that can be had, another patch with a warning, the nearest where there is none', async () => {
  const versionOf = async (files: Record<string, string>) => {
    const { details, warnings } = await planOf({ 'app.rb': '', ...files });
    return `${details[0]}${warnings.length > 0 ? ' warned' : ''}`;
  };
  assert.match(await versionOf({}), /^Ruby 3\.3 \(the stack's/);
  assert.equal(await versionOf({ '.ruby-version': 'ruby-3.3.0\n' }), 'Ruby 3.3 (.ruby-version) warned');
  assert.equal(
    await versionOf({ '.tool-versions': 'ruby 3.1\n' }),
    'Ruby 3.1 (.tool-versions; Debian bookworm)',
  );
  const gemfile = (line: string) => ({ ...rack, Gemfile: `${line}\ngem "rack"\n`, '.ruby-version': '2.0' });
  assert.equal(await versionOf(gemfile('ruby "~> 3.3.1"')), 'Ruby 3.3 (Gemfile)');
  assert.equal(await versionOf(gemfile("ruby '>= 3.0', '< 3.3'")), 'Ruby 3.1 (Gemfile; Debian bookworm)');
  await assert.rejects(versionOf({ '.ruby-version': '3.4.1' }), {
    message: 'there is no Ruby "3.4.1" (.ruby-version)',
    hint: 'nearest: 3.3.13, 3.1.2',
  });
  await assert.rejects(versionOf({ '.ruby-version': 'jruby-9.4' }), /asks for "jruby"/);
  await assert.rejects(
    versionOf({ '.ruby-version': 'newest' }),
    /"newest" in .ruby-version is not a Ruby version/,
  );
});

test("bundler's messages become one line", () => {
  const message = (output: string) => explainInstall(output)?.message;
  assert.equal(
    message(
      'Your bundle only supports platforms ["arm64-darwin-23"] but your local platform\nis x86_64-linux-gnu. Add',
    ),
    'Gemfile.lock is resolved for arm64-darwin-23, not for x86_64-linux',
  );
  assert.equal(
    message("Could not find gem 'nowhere' in rubygems repository https://rubygems.org/"),
    'the registry has no gem "nowhere" in that version',
  );
  assert.equal(
    message('Could not reach host index.rubygems.org. Check your network connection and try again.'),
    'the gem registry cannot be reached',
  );
  assert.equal(
    message(
      'x.c:1:10: fatal error: magic.h: No such file or directory\nAn error occurred while installing ruby-filemagic (0.7.3), and',
    ),
    'the gem "ruby-filemagic" did not build (no "magic.h")',
  );
  assert.equal(message('anything else'), undefined);
});
