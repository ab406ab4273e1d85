import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { phpDriver } from './driver.ts';
import { explainComposer } from './explain.ts';
import { toSemver } from './php-version.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => [],
};
const planOf = (files: Record<string, string>): Promise<BuildPlan> =>
  phpDriver.plan(treeOfFiles(files), context);
const shape = ({ layers }: BuildPlan) =>
  layers.map(({ id, inImage }) => `${id}${inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;
const json = (value: unknown) => JSON.stringify(value);

test('plain PHP: the whole plan but for the packages and the server', async () => {
  const { layers: _, ...plan } = await planOf({ 'index.php': '' });
  assert.deepEqual(plan, {
    language: 'PHP',
    details: [
      "PHP 8.4 (the stack's)",
      'extensions: bcmath, curl, mbstring, mysql, pgsql, sqlite3, xml, zip',
      'no packages',
      'nginx and php-fpm serve the root',
    ],
    warnings: [],
    defaultProcessTypes: { web: 'heroku-php-nginx' },
    env: { PHP_INI_SCAN_DIR: ':/opt/berth/php/conf.d' },
    path: ['/opt/berth/php/bin'],
    varsMatter: false,
  });
  assert.deepEqual(shape(await planOf({ 'index.php': '' })), ['runtime', 'server', 'source']);
});

const laravel = {
  'composer.json': json({ require: { php: '^8.2', 'laravel/framework': '^12.0', 'ext-redis': '*' } }),
  'composer.lock': json({
    packages: [{ name: 'laravel/framework', require: { 'ext-ctype': '*', 'ext-gd': '*' } }],
  }),
  artisan: '',
  'public/index.php': '',
};

test('Laravel: packages by the lockfile, extensions of packages too, the front controller in public/', async () => {
  const plan = await planOf(laravel);
  assert.equal(plan.language, 'PHP (Laravel)');
  assert.deepEqual(shape(plan), [
    'runtime',
    'server',
    'composer (not in the image)',
    'dependencies',
    'source',
    'output',
  ]);
  assert.match(run(plan, 'runtime').env['PACKAGES'] ?? '', / php8\.4-gd .* php8\.4-redis /);
  assert.deepEqual(run(plan, 'dependencies').files, ['composer.json', 'composer.lock']);
  // Two layers with packages in common do not lie on each other.
  assert.deepEqual(run(plan, 'dependencies').on, ['composer', 'server']);
  assert.deepEqual(run(plan, 'output').on, ['composer', 'server', 'dependencies', 'source']);
  assert.match(run(plan, 'composer').env['PACKAGES'] ?? '', /^composer git .* php8\.4-redis /);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'heroku-php-nginx public/' });
  assert.equal(plan.env['BERTH_PHP_FRONT_CONTROLLER'], '1');
  assert.match(plan.warnings[0] ?? '', /^Laravel needs a key/);
  assert.deepEqual(await phpDriver.goesWith?.(treeOfFiles({ ...laravel, 'package.json': '{}' })), ['node']);
});

test('path repositories need the tree: one install over the source', async () => {
  const manifest = json({ require: { 'a/b': '*' }, repositories: [{ type: 'path', url: 'b' }] });
  const plan = await planOf({ 'composer.json': manifest, 'composer.lock': '{}', 'index.php': '' });
  assert.deepEqual(shape(plan), ['runtime', 'server', 'composer (not in the image)', 'source', 'output']);
});

test('Apache comes with a command that names it, and wrappers where vendor/bin is named', async () => {
  const plan = await planOf({
    'composer.json': '{}',
    Procfile: 'web: vendor/bin/heroku-php-apache2 public/\n',
  });
  assert.match(run(plan, 'runtime').env['PACKAGES'] ?? '', /^apache2-bin /);
  assert.equal(run(plan, 'output').env['WRAPPERS'], '1');
});

test("Composer's ranges are not npm's", () => {
  assert.equal(toSemver('~8.2'), '>=8.2.0 <9.0.0-0');
  assert.equal(toSemver('^7.4|^8.0'), '^7.4 || ^8.0');
  assert.equal(toSemver('>= 8.1, < 8.4'), '>=8.1 <8.4');
  assert.equal(toSemver('8.4.1'), '8.4.x');
  assert.equal(toSemver('eight'), undefined);
});

test('what cannot be had is refused with what can', async () => {
  const asking = (require: Record<string, string>) =>
    planOf({ 'composer.json': json({ require }), 'index.php': '' });
  await assert.rejects(asking({ php: '~8.2.0' }), {
    message: 'there is no PHP "~8.2.0" ("require.php" of composer.json)',
  });
  await assert.rejects(
    asking({ php: 'latest' }),
    /"latest" in "require.php" of composer.json is not a PHP version/,
  );
  await assert.rejects(asking({ 'ext-swoole': '*' }), /there is no PHP extension "swoole" \(composer.json\)/);
  await assert.rejects(asking({ 'a/b': '*' }), /there is no composer.lock beside composer.json/);
  await assert.rejects(planOf({ 'composer.json': '{' }), /composer.json does not parse/);
});

test("Composer's messages become one line", () => {
  const message = (output: string) => explainComposer(output)?.message;
  assert.equal(
    message(
      'Script php artisan package:discover handling the post-autoload-dump event returned with error code 1',
    ),
    'the script "post-autoload-dump" of composer.json failed: php artisan package:discover (exit code 1)',
  );
  assert.equal(
    message(
      'curl error 6 while downloading https://repo.packagist.org/packages.json: Could not resolve host',
    ),
    '"repo.packagist.org" cannot be reached for packages',
  );
  assert.equal(message('anything else'), undefined);
});
