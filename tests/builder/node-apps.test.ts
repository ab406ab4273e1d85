// Node.js apps and static sites through the real engine: what is in the image, what is reused, what runs. Packages come from the npm registry.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbt4' });
});
after(() => bench.close());

const fixture = (name: string, files: string[]): Record<string, string> =>
  Object.fromEntries(
    files.map((file) => [
      file,
      readFileSync(new URL(`../fixtures/apps/${name}/${file}`, import.meta.url), 'utf8'),
    ]),
  );
const express = fixture('express', ['package.json', 'package-lock.json', 'server.js']);
const manifest = (fields: object) =>
  JSON.stringify({ name: 'a', version: '1.0.0', engines: { node: '24.x' }, ...fields });

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

test('an Express app is built in layers, and a changed line rebuilds its source alone', async () => {
  const first = await bench.build({ ...express }, { app: 'express' });
  const result = resultOf(first);
  assert.equal(result.language, 'Node.js');
  assert.deepEqual(result.processTypes, { web: 'node server.js' });
  assert.equal(result.port, 5000);
  assert.equal(result.user, 'app');
  const tools = await bench.runIn(result.image, 'ls /opt/berth; wc -c < /opt/berth/node/bin/node');
  const [node = '', bytes = '', ...more] = tools.output.trim().split('\n');
  assert.deepEqual([node, more], ['node', []], 'npm is not in an image that never calls it');
  assert.ok(Number(bytes) < 112_000_000, `Node has ${bytes} bytes: its symbols were not left out`);
  const loaded = await bench.runIn(
    result.image,
    'id -un; pwd; node -e "console.log(typeof require(\'express\'))"; ls -a /app',
  );
  assert.equal(
    loaded.output,
    'app\n/app\nfunction\n.\n..\nnode_modules\npackage-lock.json\npackage.json\nserver.js\n',
  );

  const second = await bench.build(
    { ...express, 'server.js': `${express['server.js']}// changed\n` },
    { app: 'express' },
  );
  assert.match(second.output, /^-----> Restoring dependencies \(unchanged\)$/m);
  assert.match(second.output, /^-----> Image [0-9a-f]{12} \(2 of 3 layers reused\)$/m);
  assert.ok(second.ms < 1000, `${second.ms} ms`);
  const layers = async (image: string) => (await bench.engine.inspectImage(image))?.RootFS.Layers ?? [];
  const [before, now] = [await layers(result.image), await layers(resultOf(second).image)];
  assert.deepEqual(now.slice(0, -1), before.slice(0, -1));
  assert.notEqual(now.at(-1), before.at(-1));
});

test('a tree that was built before is not built again, whatever the commit', async () => {
  const before = resultOf(await bench.build({ ...express }, { app: 'express' }));
  assert.equal(before.reused, true);
  const other = await bench.build({ ...express }, { app: 'another' });
  assert.equal(resultOf(other).reused, false, 'images are not shared between apps by key');
});

test('a build script sees the development packages, the image does not', async () => {
  const lock = {
    name: 'a',
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { ms: '2.1.3' }, devDependencies: { 'is-number': '7.0.0' } },
      'node_modules/ms': { version: '2.1.3' },
      'node_modules/is-number': { version: '7.0.0', dev: true },
    },
  };
  const files: Files = {
    'package.json': manifest({
      dependencies: { ms: '2.1.3' },
      devDependencies: { 'is-number': '7.0.0' },
      scripts: { build: 'node build.js', start: 'node dist/server.js' },
    }),
    'package-lock.json': JSON.stringify(lock),
    'build.js': `const fs = require('node:fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/server.js', 'console.log(' + require('is-number')(5) + ')');
fs.writeFileSync('package.json.seen', process.env.NODE_ENV + ' ' + process.env.API_URL); console.log('built');`,
  };
  const build = await bench.build(files, { app: 'built', vars: { API_URL: 'http://api.example.org' } });
  const result = resultOf(build);
  assert.match(build.output, /^-----> Build\n(?:.*\n)* {7}built$/m);
  const seen = await bench.runIn(
    result.image,
    'node dist/server.js; ls node_modules; cat package.json.seen; ls -ld dist',
  );
  assert.match(seen.output, /^true\nms\nproduction http:\/\/api\.example\.orgdrwxr-xr-x \d+ app +app /);

  const again = await bench.build(
    { ...files, 'readme.txt': 'x' },
    { app: 'built', vars: { API_URL: 'http://api.example.org' } },
  );
  assert.deepEqual(
    resultOf(again)
      .steps.map(({ name, cached }) => `${name} ${cached}`)
      .sort(),
    ['build dependencies true', 'build false', 'dependencies true', 'source false'],
  );
});

test('install scripts of the app itself run over the source', async () => {
  const build = await bench.build(
    {
      'package.json': manifest({ scripts: { postinstall: 'node setup.js', start: 'node server.js' } }),
      'setup.js': 'require("node:fs").writeFileSync("made-by-postinstall", "yes")',
      'server.js': '',
    },
    { app: 'hooks' },
  );
  const seen = await bench.runIn(resultOf(build).image, 'cat made-by-postinstall');
  assert.equal(seen.output, 'yes');
});

test("another Node than the platform's comes from the registry, with an npm it can run", async () => {
  const build = await bench.build(
    {
      'package.json': manifest({
        engines: { node: '20.11.x' },
        scripts: { start: 'node s.js', migrate: 'node m.js' },
      }),
      's.js': '',
    },
    { app: 'older' },
  );
  const result = resultOf(build);
  assert.match(build.output, /^-----> Installing Node\.js 20\.11\.1$/m);
  const seen = await bench.runIn(result.image, 'node -v; npm -v; ls /opt/berth');
  assert.match(seen.output, /^v20\.11\.1\n10\.\d+\.\d+\nnode\nnpm\n$/);
});

test('yarn and pnpm install from their lockfiles', async () => {
  const yarnLock = `# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


ms@2.1.3:
  version "2.1.3"
  resolved "https://registry.yarnpkg.com/ms/-/ms-2.1.3.tgz#574c8138ce1d2b5861f0b44579dbadd60c6615b2"
  integrity sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==
`;
  const pnpmLock = `lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      ms:
        specifier: 2.1.3
        version: 2.1.3

packages:

  ms@2.1.3:
    resolution: {integrity: sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==}

snapshots:

  ms@2.1.3: {}
`;
  const app = {
    'package.json': manifest({ dependencies: { ms: '2.1.3' }, scripts: { start: 'node s.js' } }),
    's.js': '',
  };
  for (const [name, lock] of [
    ['yarn.lock', yarnLock],
    ['pnpm-lock.yaml', pnpmLock],
  ] as const) {
    const build = await bench.build({ ...app, [name]: lock }, { app: name.slice(0, 4) });
    const seen = await bench.runIn(resultOf(build).image, 'node -p "require(\'ms\')(60000)"');
    assert.equal(seen.output, '1m\n', `${name}: ${build.output}`);
  }
});

test('a static site is served, and nothing outside it', async () => {
  const build = await bench.build(
    {
      'public/index.html': '<h1>hi</h1>',
      'public/a b.txt': 'text',
      'secret.txt': 'no',
      'static.json': '{"root":"public","routes":{"/**":"index.html"}}',
    },
    { app: 'site' },
  );
  const result = resultOf(build);
  assert.equal(result.language, 'Static site');
  const script = `${result.processTypes['web']} & sleep 0.4; for path in / /a%20b.txt /deep/link /../secret.txt /%2e%2e/secret.txt; do node -e "
    const socket = require('node:net').connect(5000, '127.0.0.1', () => socket.write('GET $path HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n'));
    let all = ''; socket.on('data', (d) => all += d).on('end', () => console.log(all.split(' ')[1], all.split('\\r\\n\\r\\n')[1]));"; done`;
  const seen = await bench.runIn(result.image, script);
  const lines = seen.output.split('\n').filter((line) => line !== '' && !line.startsWith('serving'));
  assert.deepEqual(lines, [
    '200 <h1>hi</h1>',
    '200 text',
    '200 <h1>hi</h1>',
    '400 bad request',
    '400 bad request',
  ]);
});

test('a Procfile decides the process types', async () => {
  const build = await bench.build(
    {
      ...express,
      Procfile: 'web: node server.js --port $PORT\nworker: node worker.js\nrelease: node migrate.js\n',
    },
    { app: 'express' },
  );
  assert.deepEqual(resultOf(build).processTypes, {
    web: 'node server.js --port $PORT',
    worker: 'node worker.js',
    release: 'node migrate.js',
  });
});

test('a hello-world image is small: less than 160 MB, of which the stack less than 90', async () => {
  const hello = {
    'package.json': JSON.stringify({ name: 'a', version: '1.0.0', scripts: { start: 'node server.js' } }),
    'server.js': "require('http').createServer((_, answer) => answer.end('hi')).listen(process.env.PORT);\n",
  };
  const { layers = [] } = resultOf(await bench.build(hello, { app: 'hello' }));
  const megabytes = (name?: string) =>
    layers
      .filter((layer) => name === undefined || layer.name === name)
      .reduce((sum, layer) => sum + (layer.sizeBytes ?? Number.NaN), 0) / 1e6;
  assert.ok(megabytes('stack') < 90, `the stack has ${megabytes('stack')} MB`);
  assert.ok(megabytes() < 160, `the image has ${megabytes()} MB`);
});
