// Node.js frameworks, workspaces and Bun through the real engine: built without configuration, and what is served. Packages come from the npm registry.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: .npmrc writes its variables so
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  // Bundlers need more than small steps do, and two cores have to serve them.
  bench = await openWorkbench({ BERTH_BUILD_TIMEOUT_SECONDS: '300' }, { name: 'bbnf' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

async function served(build: FakeBuild, ...paths: string[]) {
  const site = await bench.serve(build);
  try {
    const answers = [];
    for (const path of paths) answers.push(await site.get(path));
    return answers;
  } finally {
    await site.stop();
  }
}

test('a Vite app is a site: its router gets unknown paths, its packages are not in the image', async () => {
  const build = await bench.build(fixture('node-vite'), { app: 'vite' });
  assert.match(
    build.output,
    / {7}Vite: "dist" is served as a static site, unknown paths get index\.html, in place of the development server "vite"/,
  );
  const [home, route, lost] = await served(build, '/', '/any/route', '/assets/gone.js');
  assert.match(home?.body ?? '', /<div id="app">/);
  assert.equal(route?.body, home?.body);
  assert.equal(lost?.status, 404);
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(home?.body ?? '')?.[1] ?? '';
  const [code] = await served(build, script);
  assert.match(code?.body ?? '', /built by vite/);
  assert.equal(code?.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  const left = await bench.runIn(resultOf(build).image, 'ls /app; ls /opt/berth');
  assert.equal(left.output, 'dist\nindex.html\npackage-lock.json\npackage.json\nsrc\nnode\nstatic\n');
});

test('SvelteKit with adapter-node: its "prepare" runs over the source, a changed page installs nothing', async () => {
  const files = fixture('node-sveltekit');
  const first = await bench.build(files, { app: 'kit' });
  assert.deepEqual(resultOf(first).processTypes, { web: 'node build' });
  const [page] = await served(first, '/');
  assert.match(page?.body ?? '', /<h1>kit 2<\/h1>/);
  const changed = { ...files, 'src/routes/+page.svelte': '<h1>kit {2 + 2}</h1>\n' };
  const second = await bench.build(changed, { app: 'kit' });
  assert.deepEqual(
    resultOf(second)
      .steps.map(({ name, cached }) => `${name} ${cached}`)
      .sort(),
    ['build dependencies true', 'build false', 'dependencies true', 'source false'],
  );
  assert.match((await served(second, '/'))[0]?.body ?? '', /<h1>kit 4<\/h1>/);
});

test('NestJS is compiled and started as in production, not by "nest start"', async () => {
  const build = await bench.build(fixture('node-nest'), { app: 'nest' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'node dist/main' });
  assert.equal((await served(build, '/'))[0]?.body, 'hello from nest');
});

test('Next.js with "standalone": its own server, with public files, and its cache for the next build', async () => {
  const build = await bench.build(fixture('node-next'), { app: 'next' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'node .next/standalone/server.js' });
  const [page, file] = await served(build, '/', '/hello.txt');
  assert.match(page?.body ?? '', /<h1>next (?:<!-- -->)?2<\/h1>/);
  assert.equal(file?.body, 'from public\n');
  const style = /(?:src|href)="(\/_next\/static\/[^"]+\.js)/.exec(page?.body ?? '')?.[1] ?? '';
  assert.equal((await served(build, style))[0]?.status, 200);
  assert.equal(
    (await bench.runIn(resultOf(build).image, 'ls .next/cache')).output.includes('webpack'),
    false,
  );
});

const workspaces: Files = {
  'package.json': JSON.stringify({ name: 'all', private: true, workspaces: ['apps/*', 'packages/*'] }),
  'package-lock.json': JSON.stringify({
    name: 'all',
    lockfileVersion: 3,
    packages: {
      '': { name: 'all', workspaces: ['apps/*', 'packages/*'] },
      'apps/web': { name: 'web', version: '1.0.0', dependencies: { words: '*', ms: '2.1.3' } },
      'node_modules/ms': {
        version: '2.1.3',
        integrity:
          'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==',
      },
      'node_modules/web': { resolved: 'apps/web', link: true },
      'node_modules/words': { resolved: 'packages/words', link: true },
      'packages/words': { name: 'words', version: '1.0.0' },
    },
  }),
  'apps/web/package.json': JSON.stringify({
    name: 'web',
    version: '1.0.0',
    dependencies: { words: '*', ms: '2.1.3' },
    scripts: { start: 'node server.js', build: 'node -e "require(\'words\')"' },
  }),
  'apps/web/server.js': `const words = require('words'), ms = require('ms');
require('node:http').createServer((q, s) => s.end(words + ms(60000))).listen(process.env.PORT);`,
  'packages/words/package.json': JSON.stringify({
    name: 'words',
    version: '1.0.0',
    main: 'dist.js',
    scripts: { build: 'node make.js' },
  }),
  'packages/words/make.js': `require('node:fs').writeFileSync('dist.js', 'module.exports = "built "');`,
};

test('workspaces: the one with a start script runs, what it needs is built first, packages are a layer', async () => {
  const first = await bench.build(workspaces, { app: 'spaces' });
  assert.deepEqual(resultOf(first).processTypes, { web: 'cd apps/web && node server.js' });
  assert.equal((await served(first, '/'))[0]?.body, 'built 1m');
  const second = await bench.build({ ...workspaces, 'readme.md': 'x' }, { app: 'spaces' });
  const steps = resultOf(second).steps.map(({ name, cached }) => `${name} ${cached}`);
  assert.ok(steps.includes('dependencies true'), steps.join());
});

test('Bun installs from its lockfile and runs the app alone', async () => {
  const files: Files = {
    'package.json': JSON.stringify({ name: 'b', dependencies: { ms: '2.1.3' }, module: 'index.ts' }),
    'bun.lock': `{
  "lockfileVersion": 1,
  "workspaces": { "": { "name": "b", "dependencies": { "ms": "2.1.3" } } },
  "packages": {
    "ms": ["ms@2.1.3", "", {}, "sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA=="],
  }
}
`,
    'index.ts':
      'import ms from "ms";\nBun.serve({ port: process.env.PORT, fetch: (): Response => new Response(`bun ${ms(1000)}`) });\n',
  };
  const build = await bench.build(files, { app: 'bun' });
  const result = resultOf(build);
  assert.deepEqual(result.processTypes, { web: 'bun index.ts' });
  assert.equal(result.language, 'Bun');
  assert.equal((await served(build, '/'))[0]?.body, 'bun 1s');
  assert.equal((await bench.runIn(result.image, 'ls /opt/berth')).output, 'bun\n');
});

test('a token for a private registry is given to the install and is in no layer', async () => {
  const token = 'npm_0123456789abcdefSECRET';
  const files: Files = {
    'package.json': JSON.stringify({
      name: 'p',
      dependencies: { ms: '2.1.3' },
      scripts: { start: 'node s.js', postinstall: 'test "$NPM_TOKEN" = npm_0123456789abcdefSECRET' },
    }),
    '.npmrc': '//registry.example.org/:_authToken=${NPM_TOKEN}\n',
    's.js': '',
  };
  const build = await bench.build(files, { app: 'private', vars: { NPM_TOKEN: token } });
  const found = await bench.runIn(
    resultOf(build).image,
    `grep -rlE 'npm_[0]123456789abcdef' /app /opt /etc /home /tmp /var /root 2>/dev/null; true`,
  );
  assert.equal(found.output, '/app/package.json\n', 'only where the test itself wrote it');
});
