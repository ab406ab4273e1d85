import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { nodeDriver } from './driver.ts';
import { buildOrder, workspaceList } from './workspaces.ts';

const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async () => ['1.2.3', '1.4.5', '20.20.2', '22.23.3', '24.21.0'],
};

const planOf = (manifest: object, files: Record<string, string> = {}): Promise<BuildPlan> =>
  nodeDriver.plan(treeOfFiles({ 'package.json': JSON.stringify(manifest), ...files }), context);

/** The command, or the folder that is served and its page for unknown paths. */
async function web(manifest: object, files: Record<string, string> = {}): Promise<string> {
  const { defaultProcessTypes, env } = await planOf(manifest, files);
  const root = env['BERTH_STATIC_ROOT'];
  const fallback = env['BERTH_STATIC_FALLBACK'];
  if (root === undefined) return defaultProcessTypes['web'] ?? '';
  return `site ${root}${fallback === undefined ? '' : ` or ${fallback}`}`;
}

const uses = (...names: string[]) => ({
  dependencies: Object.fromEntries(names.map((name) => [name, '*'])),
});
const withStart = (start: string, ...names: string[]) => ({
  ...uses(...names),
  scripts: { start, build: 'b' },
});

test('what each framework starts or serves without a word of configuration', async () => {
  const cases: [object, Record<string, string>, string][] = [
    [uses('next'), {}, 'next start'],
    [
      withStart('next start', 'next'),
      { 'next.config.js': 'x = { output: "standalone" }' },
      'node .next/standalone/server.js',
    ],
    [uses('next'), { 'next.config.mjs': "// output: 'standalone'\nx = { output: 'export' }" }, 'site out'],
    [withStart('next start', 'next'), { 'next.config.ts': "x = { output: 'export' }" }, 'site out'],
    [uses('@tanstack/react-start', 'vite'), {}, 'node dist/berth-start.mjs'],
    [withStart('node x.mjs', '@tanstack/react-start'), {}, 'node x.mjs'],
    [withStart('expo start', 'expo', 'react-native-web'), { 'app.json': '{}' }, 'site dist or index.html'],
    [uses('expo', 'react-native-web'), { 'app.json': '{"expo":{"web":{"output":"static"}}}' }, 'site dist'],
    [
      { ...uses('ms'), scripts: { build: 'tsc --noEmit' } },
      { 'bun.lock': '{}', 'index.ts': '' },
      'bun index.ts',
    ],
    [uses('nuxt'), {}, 'node .output/server/index.mjs'],
    [{ ...uses('nuxt'), scripts: { build: 'nuxt generate' } }, {}, 'site .output/public or 200.html'],
    [{ dependencies: { nuxt: '^2.15.0' } }, {}, 'nuxt start'],
    [
      uses('@sveltejs/kit', 'vite'),
      { 'svelte.config.js': "import a from '@sveltejs/adapter-node'" },
      'node build',
    ],
    [
      uses('@sveltejs/kit'),
      { 'svelte.config.js': "import a from '@sveltejs/adapter-static'; a({ fallback: '200.html' })" },
      'site build or 200.html',
    ],
    [withStart('astro dev', 'astro'), {}, 'site dist'],
    [uses('astro'), { 'astro.config.mjs': "import node from '@astrojs/node'" }, 'node dist/server/entry.mjs'],
    [
      uses('@react-router/dev', '@react-router/serve', 'vite'),
      {},
      'react-router-serve ./build/server/index.js',
    ],
    [
      uses('@react-router/dev'),
      { 'react-router.config.ts': 'x = { ssr: false }' },
      'site build/client or index.html',
    ],
    [uses('@remix-run/dev', '@remix-run/serve', 'vite'), {}, 'remix-serve ./build/server/index.js'],
    [withStart('nest start', '@nestjs/core'), {}, 'node dist/main'],
    [withStart('react-scripts start', 'react-scripts'), {}, 'site build or index.html'],
    [withStart('vue-cli-service serve', '@vue/cli-service'), {}, 'site dist or index.html'],
    [
      { ...uses('gatsby'), scripts: { start: 'npm run develop', develop: 'gatsby develop' } },
      {},
      'site public',
    ],
    [withStart('npx @11ty/eleventy --serve', '@11ty/eleventy'), {}, 'site _site'],
    [withStart('docusaurus start', '@docusaurus/core'), {}, 'site build'],
    [
      uses('vite'),
      { 'index.html': '', 'vite.config.ts': "x = { build: { outDir: './web' } }" },
      'site web or index.html',
    ],
    [withStart('node server.js', 'vite', 'express'), { 'index.html': '' }, 'node server.js'],
    [uses('express'), { 'app.js': '' }, 'node app.js'],
    [{ ...uses('fastify'), main: './src/main.js' }, { 'src/main.js': '' }, 'node src/main.js'],
  ];
  for (const [manifest, files, expected] of cases)
    assert.equal(await web(manifest, files), expected, JSON.stringify([manifest, files]));
});

test('Angular says in angular.json where its build goes', async () => {
  const angular = (build: object) => ({
    'angular.json': JSON.stringify({
      projects: { shop: { projectType: 'application', architect: { build } }, other: {} },
    }),
  });
  const app = withStart('ng serve', '@angular/core');
  assert.equal(
    await web(app, angular({ builder: '@angular/build:application', options: {} })),
    'site dist/shop/browser or index.html',
  );
  const older = {
    builder: '@angular-devkit/build-angular:browser',
    options: { outputPath: 'dist/out', assets: [{ glob: '**/*' }] },
  };
  assert.equal(await web(app, angular(older)), 'site dist/out or index.html');
  const server = { builder: '@angular/build:application', options: { ssr: { entry: 'src/server.ts' } } };
  assert.equal(await web(app, angular(server)), 'node dist/shop/server/server.mjs');
});

test('a framework set up for another platform is refused with what to do', async () => {
  await assert.rejects(
    planOf(uses('@sveltejs/kit'), { 'svelte.config.js': "import a from '@sveltejs/adapter-vercel'" }),
    {
      message: 'SvelteKit is set up with @sveltejs/adapter-vercel, which makes nothing that runs here',
    },
  );
  const declared = {
    'svelte.config.js': "import a from '@sveltejs/adapter-vercel'",
    Procfile: 'web: node x',
  };
  await planOf(uses('@sveltejs/kit'), declared);
});

test("SvelteKit's adapter-auto takes adapter-node, and what it installs for that stays out of the image", async () => {
  const config = { 'svelte.config.js': "import a from '@sveltejs/adapter-auto'" };
  const plan = await planOf(uses('@sveltejs/kit'), config);
  const output = plan.layers.find(({ id }) => id === 'output') as RunLayer;
  assert.equal(plan.defaultProcessTypes['web'], 'node build');
  assert.equal(plan.env['HOST'], '0.0.0.0');
  assert.equal(output.env['GCP_BUILDPACKS'], 'true');
  for (const path of ['node_modules', 'package.json', 'package-lock.json'])
    assert.ok(output.leaveOut.includes(path));
});

test('a site keeps nothing of what it was built with', async () => {
  const plan = await planOf(withStart('vite', 'vite'), { 'index.html': '' });
  assert.deepEqual(
    plan.layers.filter(({ inImage }) => inImage).map(({ id }) => id),
    ['runtime', 'server', 'source', 'output'],
  );
  const output = plan.layers.find(({ id }) => id === 'output') as RunLayer;
  assert.deepEqual(output.env['BUILD_CACHES'], 'node_modules/.cache node_modules/.vite node_modules/.astro');
});

const workspace = (name: string, scripts: object = {}, dependencies: object = {}) =>
  JSON.stringify({ name, version: '1.0.0', scripts, dependencies });

test('of several workspaces the one with a start script is started; more than one are listed', async () => {
  const root = { workspaces: ['apps/*', 'packages/**', '!apps/old'] };
  const lock = { 'pnpm-lock.yaml': '' };
  const files = {
    ...lock,
    'pnpm-workspace.yaml':
      "packages:\n  - 'apps/*' # ours\n  - \"packages/**\"\n  - '!apps/old'\ncatalog:\n  - x\n",
    'apps/web/package.json': workspace('web', { start: 'node s.js', build: 'b' }, { ui: 'workspace:*' }),
    'apps/old/package.json': workspace('old', { start: 'x' }),
    'packages/deep/ui/package.json': workspace('ui', { build: 'b' }),
    'packages/unused/package.json': workspace('unused', { build: 'b' }),
  };
  const plan = await planOf(root, files);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'cd apps/web && node s.js' });
  const output = plan.layers.find(({ id }) => id === 'output') as RunLayer;
  assert.equal(output.env['BUILD_FOLDERS'], 'packages/deep/ui apps/web');
  const packages = plan.layers.find(({ id }) => id === 'dependencies') as RunLayer;
  assert.ok(
    packages.files.includes('packages/deep/ui/package.json') &&
      !packages.files.includes('apps/old/package.json'),
  );
  const two = { ...files, 'apps/api/package.json': workspace('api', { start: 'node a.js' }) };
  await assert.rejects(planOf(root, two), {
    message: 'several workspaces could be the app: "apps/api", "apps/web"',
    hint: /a command for web in berth\.toml or in a Procfile, for example "web: cd apps\/api && npm start"/,
  });
});

test("with Nx the workspace that has Next's pages is built and started, not the root that only lists its packages", async () => {
  const files = {
    'nx.json': '{}',
    'apps/web/package.json': JSON.stringify({ name: 'web', ...uses('next') }),
    'apps/web/src/app/page.tsx': '',
  };
  const plan = await planOf({ ...uses('next'), workspaces: ['apps/*'] }, files);
  const output = plan.layers.find((layer) => layer.kind === 'run' && layer.env['BUILD_PART']) as RunLayer;
  assert.equal(plan.defaultProcessTypes['web'], 'cd apps/web && next start');
  assert.match(output.script, /^\(cd "\$BUILD_PART" && next build\)$/m);
  assert.equal(output.env['BUILD_PART'], 'apps/web');
});

test('lists of workspaces and orders of builds by themselves', () => {
  assert.deepEqual(workspaceList('packages: ["a/*", \'b\']'), ['a/*', 'b']);
  assert.deepEqual(workspaceList('onlyBuiltDependencies:\n  - esbuild\n'), []);
  const make = (name: string, ...needs: string[]) =>
    ({
      folder: name,
      manifest: { name, dependencies: Object.fromEntries(needs.map((one) => [one, '*'])) },
    }) as never;
  const circle = [make('a', 'b'), make('b', 'a', 'c'), make('c')];
  assert.deepEqual(
    buildOrder(circle, circle[0] as never).map(({ folder }) => folder),
    ['c', 'b', 'a'],
  );
});

test('Bun: the lockfile chooses it, its version is wished anywhere, Node is left out when Bun runs the app', async () => {
  const plan = await planOf(
    { dependencies: { ms: '1' } },
    { 'bun.lock': '{}', '.tool-versions': 'bun 1.2.3\n', 'index.ts': '' },
  );
  assert.deepEqual(plan.defaultProcessTypes, { web: 'bun index.ts' });
  assert.deepEqual(plan.details, ['bun 1.2.3 (.tool-versions)']);
  assert.equal(plan.layers.find(({ id }) => id === 'runtime')?.inImage, false);
  const script = (plan.layers.find(({ id }) => id === 'dependencies') as RunLayer).script;
  assert.equal(script, 'bun install --no-progress --backend=copyfile --frozen-lockfile --production');
});

test('versions of Node from every usual place', async () => {
  const node = async (manifest: object, files: Record<string, string> = {}) =>
    (await planOf({ scripts: { start: 'node s.js' }, ...manifest }, files)).details[0];
  assert.equal(
    await node({}, { '.tool-versions': 'ruby 3.3\nnodejs 22.23.3\n' }),
    'Node.js 22.23.3 (.tool-versions)',
  );
  assert.equal(await node({ volta: { node: '20.20.2' } }), 'Node.js 20.20.2 ("volta.node" of package.json)');
  const devEngines = { runtime: [{ name: 'node', version: '22.x' }] };
  assert.equal(await node({ devEngines }), 'Node.js 22.23.3 ("devEngines.runtime" of package.json)');
});
