// What a pusher is told when the app is wrong: one clear line each, and nothing left behind in the engine.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FakeBuild } from './fake-controller.ts';
import { type BuildOptions, type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench(
    {
      BERTH_BUILD_MEMORY_MB: '192',
      BERTH_BUILD_DISK_MB: '64',
      BERTH_BUILD_LOG_KB: '256',
      BERTH_BUILD_TIMEOUT_SECONDS: '15',
    },
    { name: 'bbt3' },
  );
});
after(() => bench.close());

async function failure(
  files: Files,
  options?: BuildOptions,
): Promise<{ error: string; hint: string | undefined; build: FakeBuild }> {
  const build = await bench.build(files, options);
  assert.equal(build.end?.status, 'failed', build.output);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
  const { error, hint } = build.end as { error: string; hint?: string };
  return { error, hint, build };
}

const manifest = (fields: object) => JSON.stringify({ name: 'a', version: '1.0.0', ...fields });
const withBuild = (script: string): Files => ({
  'package.json': manifest({ scripts: { build: 'node build.js', start: 'node server.js' } }),
  'server.js': '',
  'build.js': script,
});

test('a commit without an app says what was looked for', async () => {
  const { error, hint } = await failure({ 'README.md': 'hello' });
  assert.equal(error, 'no recognisable app in the commit');
  assert.match(
    hint ?? '',
    /^looked for .*package\.json \(Node\.js\), index\.html \(static site\).* and Dockerfile at the root$/,
  );
});

test('an app in a folder is pointed at', async () => {
  const { hint } = await failure({ 'web/package.json': '{}' });
  assert.match(
    hint ?? '',
    /there is "web\/package.json": berth.toml with root = "web" below \[build\], or "berth config:set PROJECT_PATH=web", builds that folder/,
  );
});

test('a package.json that does not parse is told by line', async () => {
  const { error } = await failure({ 'package.json': '{\n  "name": "a",\n  "version" "1"\n}\n' });
  assert.match(error, /^package\.json does not parse: line 3, column 13: expected ':' after property name/);
});

test('a Procfile that does not parse is told by line', async () => {
  const { error, hint } = await failure({
    'index.html': 'hi',
    Procfile: '# comment\nweb: node server.js\nworker node w.js\n',
  });
  assert.equal(error, 'Procfile line 3: expected "name: command", found "worker node w.js"');
  assert.equal(hint, 'write one "name: command" a line, for example "web: node server.js"');
});

test('a package that the lockfile does not know stops before any container', async () => {
  const lock = { name: 'a', lockfileVersion: 3, packages: { '': { name: 'a' } } };
  const { error, hint } = await failure({
    'package.json': manifest({ dependencies: { 'left-pad': '1.3.0' }, scripts: { start: 'node s.js' } }),
    'package-lock.json': JSON.stringify(lock),
  });
  assert.equal(error, 'package-lock.json is out of step with package.json: "left-pad@1.3.0" is missing');
  assert.equal(hint, 'run "npm install", commit package-lock.json and push again');
});

test('a lockfile with another version is named by npm and told in one line', async () => {
  const lock = {
    name: 'a',
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { 'is-number': '6.0.0' } },
      'node_modules/is-number': { version: '6.0.0' },
    },
  };
  const { error } = await failure({
    'package.json': manifest({ dependencies: { 'is-number': '7.0.0' }, scripts: { start: 'node s.js' } }),
    'package-lock.json': JSON.stringify(lock),
  });
  assert.equal(
    error,
    'package-lock.json is out of step with package.json: it has "is-number@6.0.0", package.json wants "is-number@7.0.0"',
  );
});

test('a package that does not exist is named', async () => {
  const name = '@berth-no-such-scope/no-such-package';
  const lock = {
    name: 'a',
    lockfileVersion: 3,
    packages: { '': { dependencies: { [name]: '1.0.0' } }, [`node_modules/${name}`]: { version: '1.0.0' } },
  };
  const { error } = await failure({
    'package.json': manifest({ dependencies: { [name]: '1.0.0' }, scripts: { start: 'node s.js' } }),
    'package-lock.json': JSON.stringify(lock),
  });
  assert.equal(error, `the package "${name}@1.0.0" does not exist in the registry`);
});

test('a build script that fails is named, and its output is in the log', async () => {
  const { error, build } = await failure(withBuild('console.log("before"); throw new Error("broken")'));
  assert.equal(error, 'the "build" script failed');
  assert.match(build.output, /^ {7}before$/m);
  assert.match(build.output, /^ {7}Error: broken$/m);
});

test('a build that hangs is ended at the time limit', async () => {
  const { error, build } = await failure(withBuild('setInterval(() => {}, 1000)'));
  assert.equal(error, 'the build took longer than 15 seconds');
  assert.ok(build.reports > 4, 'heartbeats went on');
});

test('a build that fills its memory is ended', async () => {
  const { error } = await failure(withBuild('const all = []; for (;;) all.push(Buffer.alloc(8e6, 1))'));
  assert.equal(error, 'the build used more than 192 MB of memory');
});

test('a build that fills its disk is ended', async () => {
  const script = `const fs = require('node:fs');
let n = 0;
const timer = setInterval(() => { fs.writeFileSync('big' + n++, Buffer.alloc(4e6, 1)); if (n > 40) clearInterval(timer); }, 10);`;
  const { error } = await failure(withBuild(script));
  assert.equal(error, 'the build wrote more than 64 MB');
});

test('a build that fills its log is ended', async () => {
  const { error, build } = await failure(
    withBuild(
      'setInterval(() => console.log("x".repeat(1000)), 0); for (let i = 0; i < 2000; i++) console.log("y".repeat(1000))',
    ),
  );
  assert.equal(error, 'the build printed more than 256 KB');
  assert.ok(build.output.length < 600_000, `${build.output.length} characters were reported`);
});

test('an app that nothing starts is refused', async () => {
  const { error } = await failure({ 'package.json': manifest({}) });
  assert.equal(error, 'nothing says how to start the app');
});

test('a Node that does not exist is refused with the nearest ones', async () => {
  const { error, hint } = await failure({
    'package.json': manifest({ engines: { node: '22.99.0' }, scripts: { start: 'node s.js' } }),
  });
  assert.equal(error, 'there is no Node "22.99.0" ("engines.node" of package.json)');
  assert.match(hint ?? '', /^nearest: 22\.\d+\.\d+, 22\./);
});

test('a canceled build ends at once, says so, and leaves no container', async () => {
  const build = await bench.build(withBuild('setInterval(() => {}, 1000)'), {
    meanwhile: async (current) => {
      while ((await bench.engine.listContainers({ all: false })).length === 0) await sleep(20);
      current.canceled = true;
    },
  });
  assert.deepEqual(build.end, { epoch: build.started.epoch, status: 'canceled' });
  assert.ok(build.ms < 5000, `${build.ms} ms`);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
});

test('a build that another worker has taken reports nothing more', async () => {
  const build = await bench.build(withBuild('setInterval(() => {}, 1000)'), {
    meanwhile: async (current) => {
      while ((await bench.engine.listContainers({ all: false })).length === 0) await sleep(20);
      current.stale = true;
    },
  });
  assert.equal(build.end, undefined);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
});

test('an engine that is killed in the middle of a build costs time, not the push', async () => {
  const build = await bench.build(withBuild('setTimeout(() => console.log("built"), 700)'), {
    meanwhile: async () => {
      while ((await bench.engine.listContainers({ all: false })).length === 0) await sleep(20);
      await bench.killEngine();
    },
  });
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  assert.match(build.output, /^ {7}built$/m);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
});

test('config vars are not in the log, the image or its layers', async () => {
  const secret = 'correct-horse-battery';
  const build = await bench.build(withBuild('console.log("the key is " + process.env.API_KEY)'), {
    vars: { API_KEY: secret },
  });
  assert.equal(build.end?.status, 'succeeded', build.output);
  assert.match(build.output, /the key is \*{8}/);
  assert.doesNotMatch(build.output, new RegExp(secret));
  const image = build.end.status === 'succeeded' ? build.end.result.image : '';
  assert.doesNotMatch(JSON.stringify(await bench.engine.inspectImage(image)), new RegExp(secret));
  const found = await bench.runIn(
    image,
    `grep -r ${secret} /app /opt/berth/static /etc 2>/dev/null | head -1; env`,
  );
  assert.doesNotMatch(found.output, new RegExp(secret));
});
