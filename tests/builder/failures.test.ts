// Builds that go wrong or are meant to harm: the one line that each ends with, and that nothing of them is left. Beside bad-input.test.ts,
// which has the plain mistakes. Packages come from the npm registry, compilers from the Debian mirror.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runBuild } from '@berth/builder/run-build.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import type { FakeBuild } from './fake-controller.ts';
import { type BuildOptions, type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench(
    {
      BERTH_BUILD_MEMORY_MB: '512',
      BERTH_BUILD_LOG_KB: '256',
      BERTH_BUILD_TIMEOUT_SECONDS: '90',
      BERTH_BUILD_PIDS: '100',
    },
    { name: 'bbfa' },
  );
});
after(() => bench.close());

async function ended(build: FakeBuild): Promise<FakeBuild> {
  assert.deepEqual(await bench.engine.listContainers({ all: true }), [], 'a container was left');
  return build;
}

async function failure(
  files: Files,
  options?: BuildOptions,
): Promise<{ error: string; hint: string | undefined; build: FakeBuild }> {
  return failureOf(await bench.build(files, options));
}

async function failureOf(
  build: FakeBuild,
): Promise<{ error: string; hint: string | undefined; build: FakeBuild }> {
  assert.equal(build.end?.status, 'failed', build.output);
  const { error, hint } = build.end as { error: string; hint?: string };
  return { error, hint, build: await ended(build) };
}

async function succeeded(build: FakeBuild): Promise<FakeBuild & { image: string }> {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return Object.assign(await ended(build), { image: build.end.result.image });
}

const manifest = (fields: object) =>
  JSON.stringify({ name: 'a', version: '1.0.0', engines: { node: '24.x' }, ...fields });
const withBuild = (script: string): Files => ({
  'package.json': manifest({ scripts: { build: 'node build.js', start: 'node server.js' } }),
  'server.js': '',
  'build.js': script,
});

/** Builds what no working folder can hold: entries of a tree as git writes them, beside the files. */
async function buildTree(files: Files, entries: (write: Writer) => Promise<string[]>): Promise<FakeBuild> {
  const build = await bench.prepare(files);
  const { started } = build;
  const env = { PATH: '/usr/bin:/bin', GIT_DIR: started.repository, HOME: '/nonexistent' };
  const git = async (args: string[], input?: string) => {
    const all: [string, ...string[]] = [
      'git',
      '-c',
      'user.name=a',
      '-c',
      'user.email=a@example.org',
      ...args,
    ];
    return (await runCommandOk(all, { env, ...(input === undefined ? {} : { input }) })).stdout.toString();
  };
  const mktree = async (lines: string) => (await git(['mktree', '--missing'], lines)).trim();
  const blob = async (text: string) => (await git(['hash-object', '-w', '--stdin'], text)).trim();
  const before = await git(['ls-tree', started.tree]);
  const lines = await entries({ blob, mktree });
  started.tree = await mktree(`${before}${lines.map((line) => `${line}\n`).join('')}`);
  started.commit = (await git(['commit-tree', '-m', 'x', started.tree])).trim();
  await runBuild(bench.shop, started.id);
  return build;
}

interface Writer {
  blob: (text: string) => Promise<string>;
  mktree: (lines: string) => Promise<string>;
}

/** The limits of one build: nothing else runs on this workbench meanwhile. */
async function within<T>(
  limits: Partial<typeof bench.shop.config.limits>,
  work: () => Promise<T>,
): Promise<T> {
  const { config } = bench.shop;
  const before = config.limits;
  config.limits = { ...before, ...limits };
  try {
    return await work();
  } finally {
    config.limits = before;
  }
}

/** No other run of this file uses the same. */
const asleep = `9876${process.pid}.5`;

/** Processes of the whole host with this word among their arguments. */
function runningWith(word: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word);
    } catch {
      return false; // ended meanwhile
    }
  });
}

test('packages without a lockfile are installed, with a word about it', async () => {
  const build = await bench.build({
    'package.json': manifest({ dependencies: { ms: '2.1.3' }, scripts: { start: 'node s.js' } }),
    's.js': '',
  });
  await succeeded(build);
  assert.match(
    build.output,
    /^ ! {5}no lockfile: versions are chosen when package\.json changes; commit the one that "npm install" writes$/m,
  );
});

test('a package that does not exist is named', async () => {
  const { error, hint } = await failure({
    'package.json': manifest({
      dependencies: { '@berth-none/none': '^1.0.0' },
      scripts: { start: 'node s.js' },
    }),
  });
  assert.equal(error, 'the package "@berth-none/none@^1.0.0" does not exist in the registry');
  assert.equal(hint, 'check its name in package.json');
});

test('an install script that hangs is ended at the time limit, with the processes that left it', async () => {
  const { error, hint } = await within({ timeMs: 8000 }, () =>
    failure({
      'package.json': manifest({ scripts: { postinstall: 'sh hang.sh', start: 'node s.js' } }),
      'hang.sh': `(sleep ${asleep} &)\nsleep ${asleep}\n`,
      's.js': '',
    }),
  );
  assert.equal(error, 'the build took longer than 8 seconds');
  assert.equal(
    hint,
    "make it faster, or ask the platform's operator for a larger BERTH_BUILD_TIMEOUT_SECONDS",
  );
  assert.deepEqual(runningWith(asleep), []);
});

test('a native package whose header the stack does not have: the compiler says which, the error says what', async () => {
  const { error, hint, build } = await failure({
    'package.json': manifest({ dependencies: { ms: '2.1.3' }, scripts: { start: 'node s.js' } }),
    'package-lock.json': JSON.stringify({
      lockfileVersion: 3,
      packages: { '': { dependencies: { ms: '2.1.3' } }, 'node_modules/ms': { version: '2.1.3' } },
    }),
    's.js': '',
    'binding.gyp': '{ "targets": [{ "target_name": "answer", "sources": ["answer.c"] }] }',
    'answer.c': '#include <no_such_header.h>\n',
  });
  assert.equal(error, 'a native package did not compile');
  assert.equal(hint, "the compiler's own message is above");
  assert.match(build.output, /^ {7}\.\.\/answer\.c:1:10: fatal error: no_such_header\.h: No such file/m);
});

test('a child of the build script that fills the memory ends the build with the limit', async () => {
  const { error, hint } = await failure(
    withBuild(`const { spawnSync } = require('node:child_process');
const child = spawnSync(process.execPath, ['-e', 'const all = []; for (;;) all.push(Buffer.alloc(8e6, 1))']);
if (child.signal) process.exit(3);`),
  );
  assert.equal(error, 'the build used more than 512 MB of memory');
  assert.equal(hint, "use less, or ask the platform's operator for a larger BERTH_BUILD_MEMORY_MB");
});

test('one file that is larger than the disk limit is not kept, however fast it was written', async () => {
  const { error, hint } = await within({ diskBytes: 64 * 1024 * 1024 }, () =>
    failure(withBuild(`require('node:fs').writeFileSync('big', Buffer.alloc(100e6, 1))`)),
  );
  assert.equal(error, 'the build wrote more than 64 MB');
  assert.equal(hint, "write less, or ask the platform's operator for a larger BERTH_BUILD_DISK_MB");
});

test('a fork bomb meets the limit of processes, and all of it ends with the build', async () => {
  const script = `const { spawn } = require('node:child_process');
let refused = false;
const timer = setInterval(() => {
  for (let n = 0; n < 20; n++)
    spawn('sleep', ['${asleep}'], { detached: true }).on('error', () => { refused = true; });
  if (!refused) return;
  clearInterval(timer);
  console.log('refused');
  process.exit(1);
}, 5);`;
  const { error, build } = await failure(withBuild(script));
  assert.equal(error, 'the "build" script failed');
  assert.match(build.output, /^ {7}refused$/m);
  assert.deepEqual(runningWith(asleep), []);
});

test('a registry that cannot be reached is told from a package that is not there', async () => {
  const { sources } = bench.shop;
  const before = { ...sources.env };
  const nobody = 'http://127.0.0.1:9/';
  Object.assign(sources.env, {
    NPM_CONFIG_REGISTRY: nobody,
    npm_config_registry: nobody,
    npm_config_fetch_retries: '0',
  });
  try {
    const { error, hint } = await failure({
      'package.json': manifest({ dependencies: { 'is-odd': '3.0.1' }, scripts: { start: 'node s.js' } }),
    });
    assert.equal(error, 'the package registry cannot be reached (ECONNREFUSED)');
    assert.equal(hint, 'check the network of the host and push again');
  } finally {
    for (const name of Object.keys(sources.env)) if (!(name in before)) delete sources.env[name];
    Object.assign(sources.env, before);
  }
});

test('a submodule with a hostile URL is left out with a warning: nothing of .gitmodules is ever run or fetched', async () => {
  const modules = `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/berth-${asleep}
[submodule "y"]\n\tpath = y\n\turl = --upload-pack=touch /tmp/berth-${asleep}
[submodule "z"]\n\tpath = z\n\turl = file:///etc\n`;
  const commit = '1'.repeat(40);
  const build = await buildTree({ 'index.html': 'hi' }, async ({ blob }) => [
    `100644 blob ${await blob(modules)}\t.gitmodules`,
    ...['x', 'y', 'z'].map((path) => `160000 commit ${commit}\t${path}`),
  ]);
  const { image } = await succeeded(build);
  for (const path of ['x', 'y', 'z'])
    assert.match(build.output, new RegExp(`^ !     submodule "${path}" is left out$`, 'm'));
  assert.equal(existsSync(`/tmp/berth-${asleep}`), false);
  const seen = await bench.runIn(image, 'ls /app');
  assert.equal(seen.output, 'index.html\n');
});

test('a file of the build that is a symbolic link is refused by its name, never followed', async () => {
  for (const name of ['package.json', 'Procfile', 'berth.toml', 'app.json']) {
    const build = await buildTree({ 'index.html': 'hi' }, async ({ blob }) => [
      `120000 blob ${await blob('/etc/passwd')}\t${name}`,
    ]);
    const { error, hint } = await failureOf(build);
    assert.equal(error, `"${name}" is a symbolic link`);
    assert.match(hint ?? '', /^commit the file itself/);
  }
});

test('a link out of the tree stays a link: neither the build nor the app reaches the host through it', async () => {
  const secret = `/tmp/berth-host-${asleep}`;
  writeFileSync(secret, 'of the host');
  try {
    const build = await buildTree(
      withBuild(`const fs = require('node:fs');
console.log(fs.existsSync('out'));
fs.writeFileSync('up/written', 'x');`),
      async ({ blob }) => [
        `120000 blob ${await blob(secret)}\tout`,
        `120000 blob ${await blob('../../../../../../tmp')}\tup`,
      ],
    );
    const { image } = await succeeded(build);
    assert.match(build.output, /^ {7}false$/m);
    assert.equal(existsSync('/tmp/written'), false);
    const seen = await bench.runIn(image, 'readlink out; cat out; ls /tmp');
    assert.match(seen.output, new RegExp(`^${secret}\ncat: out: No such file or directory\n$`));
  } finally {
    rmSync(secret);
  }
});

test('a tree of a few kB that stands for 10^8 files is refused at once', async () => {
  const build = await buildTree({ 'index.html': 'hi' }, async ({ blob, mktree }) => {
    const leaf = await blob('x');
    let oid = await mktree(tenTimes((n) => `100644 blob ${leaf}\tf${n}`));
    for (let level = 1; level < 8; level++) oid = await mktree(tenTimes((n) => `040000 tree ${oid}\td${n}`));
    return [`040000 tree ${oid}\tbomb`];
  });
  const { error, hint } = await failureOf(build);
  assert.equal(error, 'the tree has more than 500000 files');
  assert.equal(hint, 'commit less: packages and what a build makes need not be in the repository');
});

function tenTimes(line: (n: number) => string): string {
  return Array.from({ length: 10 }, (_, n) => `${line(n)}\n`).join('');
}

test('a secret is masked however it is printed: in two writes, in colours, across the cut of a long line', async () => {
  const secret = 'correct-horse-battery-staple';
  const script = `const key = process.env.API_KEY;
process.stdout.write('split ' + key.slice(0, 9));
setTimeout(() => {
  process.stdout.write(key.slice(9) + ' end\\n');
  process.stdout.write('y'.repeat(4090) + key + 'z'.repeat(20000) + '\\n');
  process.stdout.write('coloured ' + key.slice(0, 5) + '\\u001b[31m' + key.slice(5) + '\\u001b[0m\\n');
  process.stdout.write('a production build\\n');
}, 300);`;
  const build = await bench.build(withBuild(script), { vars: { API_KEY: secret, NODE_ENV: 'production' } });
  await succeeded(build);
  assert.match(build.output, /^ {7}split \*{8} end$/m);
  assert.match(build.output, /^ {7}coloured \*{8}$/m);
  assert.match(build.output, /^ {7}a production build$/m);
  const joined = build.output.replaceAll('\n       ', '');
  assert.ok(joined.includes(`yyy${'*'.repeat(8)}zzz`), 'the long line has the mask in its middle');
  assert.doesNotMatch(joined, /correct|staple/);
});

test('a secret that the build writes into the image is told with its place; what is public is not', async () => {
  const vars = {
    API_KEY: 'correct-horse-battery-staple',
    OTHER_KEY: 'another-thing-entirely',
    NEXT_PUBLIC_KEY: 'pk-for-everybody',
    NODE_ENV: 'production',
  };
  const script = `const { API_KEY, NEXT_PUBLIC_KEY, NODE_ENV, GREETING } = process.env;
require('node:fs').mkdirSync('dist');
require('node:fs').writeFileSync('dist/bundle.js', Buffer.alloc(3e7, 'x') + API_KEY + NEXT_PUBLIC_KEY + NODE_ENV + GREETING);`;
  const files = { ...withBuild(script), 'berth.toml': '[env]\nGREETING = "welcome-to-all-of-you"\n' };
  const build = await bench.build(files, { vars });
  await succeeded(build);
  const warning =
    'the value of API_KEY is in the image, in "/app/dist/bundle.js": who gets the image can read it';
  assert.ok(build.end?.status === 'succeeded' && build.end.result.warnings.includes(warning));
  assert.deepEqual(build.output.match(/^ ! .*$/gm), [` !     ${warning}`]);
  assert.doesNotMatch(build.output, /correct-horse/);
});

test('binary garbage, escapes of a terminal and a line without end are shown as text, or not at all', async () => {
  const script = `process.stdout.write('\\u001b]0;title\\u0007\\u001b[2J\\u001b[31mred\\u001b[0m\\n');
process.stdout.write(Buffer.from(Array.from({ length: 4096 }, (_, n) => n & 255)));
process.stdout.write('\\n' + 'w'.repeat(100000) + '\\nend\\n');`;
  const build = await bench.build(withBuild(script));
  await succeeded(build);
  assert.match(build.output, /^ {7}red$/m);
  assert.match(build.output, /^ {7}end$/m);
  assert.doesNotMatch(build.output, /[\p{Cc}--[\t\n]]/v);
  assert.equal(build.output.match(/w(?=w|\n)/g)?.length, 100_000, 'nothing of the long line is lost');
  assert.ok(build.output.split('\n').every((line) => line.length <= 7 + 4096));
});

test('a canceled build ends with everything it started, also what has left its session', async () => {
  const script = `const { spawn } = require('node:child_process');
const child = spawn('sh', ['-c', '(sleep ${asleep} &) ; exec sleep ${asleep}'], { detached: true, stdio: 'ignore' });
child.unref();
setInterval(() => {}, 1000);`;
  const build = await within({ timeMs: 20_000 }, () =>
    bench.build(withBuild(script), {
      meanwhile: async (current) => {
        while (!current.end && runningWith(asleep).length < 2) await sleep(20);
        current.canceled = true;
      },
    }),
  );
  assert.deepEqual(build.end, { epoch: build.started.epoch, status: 'canceled' }, build.output);
  assert.deepEqual(runningWith(asleep), []);
  await ended(build);
});

test('the cache of a command that was killed is empty for the next one; after an end of its own it is kept', async () => {
  const app = (script: string): Files => ({
    'package.json': manifest({
      dependencies: { ms: '2.1.3' },
      scripts: { postinstall: script, start: 'node s.js' },
    }),
    's.js': '',
  });
  const seen = 'ls /cache/npm/half 2>/dev/null || echo nothing';
  const hang = await within({ timeMs: 10_000 }, () =>
    failure(app(`echo x > /cache/npm/half; sleep ${asleep}`), { app: 'cached' }),
  );
  assert.equal(hang.error, 'the build took longer than 10 seconds');
  const next = await failure(app(`${seen}; echo x > /cache/npm/half; exit 1`), { app: 'cached' });
  assert.match(next.build.output, /^ {7}nothing$/m);
  const last = await failure(app(`${seen}; exit 2`), { app: 'cached' });
  assert.match(last.build.output, /^ {7}\/cache\/npm\/half$/m);
});
