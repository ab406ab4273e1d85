import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { treeOfFiles } from '../../tests/builder/tree-of-files.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { finalProcessTypes } from './final-process-types.ts';
import { readManifest, releaseManifest } from './read-manifest.ts';

const nothing = {
  build: {},
  processTypes: {},
  keepsDefaults: true,
  formation: {},
  healthChecks: {},
  stopTimeouts: {},
  cron: [],
  postdeploy: {},
  env: {},
  vars: {},
  warnings: [],
  places: {},
};

test('a tree without any of the files says nothing', async () => {
  assert.deepEqual(await readManifest(treeOfFiles({ 'index.js': '' })), nothing);
});

test('the example of the manual, whole', async () => {
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const example = /```toml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const files = { 'berth.toml': example, 'apps/api/package.json': '{}' };
  const { places, ...manifest } = await readManifest(treeOfFiles(files));
  assert.deepEqual(Object.keys(places), ['web', 'worker']);
  assert.deepEqual(manifest, {
    build: {
      root: 'apps/api',
      buildpacks: ['node'],
      command: 'npm run build:api',
      ignore: ['docs', '*.psd'],
    },
    processTypes: { web: 'node server.js', worker: 'node worker.js' },
    keepsDefaults: true,
    formation: { web: { quantity: 2, memoryMb: 512 }, worker: { quantity: 1, memoryMb: 1024 } },
    healthChecks: { web: { path: '/healthz', timeoutSeconds: 5, graceSeconds: 120 } },
    stopTimeouts: { web: 60 },
    port: 8080,
    cron: [{ schedule: '30 3 * * *', command: 'node tidy.js', memoryMb: 256 }],
    releaseCommand: 'npm run migrate',
    releaseTimeoutSeconds: 600,
    postdeploy: {},
    env: { NODE_OPTIONS: '--enable-source-maps', WEB_CONCURRENCY: '2' },
    vars: {
      SESSION_SECRET: { required: false, generate: true },
      STRIPE_KEY: { required: true, description: 'from the dashboard of Stripe' },
    },
    warnings: [],
  });
});

test("Heroku's app.json and Dokku's, with what they ask for", async () => {
  const appJson = {
    name: 'Sample',
    description: 'no matter',
    env: {
      SECRET_KEY: { description: 'signs', generator: 'secret' },
      RAILS_ENV: 'production',
      THREADS: { value: 5 },
      API_KEY: { description: 'of the API', required: true },
      MAYBE: { description: 'who knows' },
    },
    formation: { web: { quantity: 2, size: 'Standard-2X' }, worker: { size: 'huge' } },
    buildpacks: [{ url: 'heroku/ruby' }],
    addons: ['heroku-postgresql', { plan: 'heroku-redis:mini' }],
    scripts: { postdeploy: 'rake db:seed', dokku: { predeploy: 'rake check', postdeploy: 'curl x' } },
    healthchecks: { web: [{ type: 'startup', path: '/up', attempts: 10, wait: 2, timeout: 3 }] },
    cron: [{ schedule: '@daily', command: 'rake tidy' }],
    successs_url: '/',
  };
  const manifest = await readManifest(
    treeOfFiles({
      'app.json': JSON.stringify(appJson, null, 1),
      Procfile: 'web: puma\nrelease: rake db:migrate',
    }),
  );
  assert.deepEqual(manifest, {
    ...nothing,
    build: { buildpacks: ['heroku/ruby'], buildpacksFrom: 'app.json' },
    processTypes: { web: 'puma' },
    keepsDefaults: false,
    formation: { web: { quantity: 2, memoryMb: 1024 }, worker: {} },
    healthChecks: { web: { path: '/up', timeoutSeconds: 3, graceSeconds: 50 } },
    cron: [{ schedule: '@daily', command: 'rake tidy' }],
    releaseCommand: 'set -e\nrake check\nrake db:migrate',
    postdeploy: { first: 'rake db:seed', each: 'curl x' },
    vars: {
      SECRET_KEY: { required: false, description: 'signs', generate: true },
      RAILS_ENV: { required: false, value: 'production' },
      THREADS: { required: false, value: '5' },
      API_KEY: { required: true, description: 'of the API' },
      MAYBE: { required: false, description: 'who knows' },
    },
    warnings: [
      'app.json line 65: "successs_url" is not known',
      'app.json line 17: "MAYBE" may be needed: berth config:set MAYBE=…',
      'app.json line 26: size "huge" is not known; 512 MB are taken',
      'app.json asks for add-ons, which are not there yet: heroku-postgresql, heroku-redis:mini',
    ],
    places: { web: 'app.json line 22', worker: 'app.json line 26' },
  });
});

test('names that cannot be here are warned of in app.json, which has other readers', async () => {
  const appJson = '{"env": {"a-b": "1", "OK": "2"},\n"formation": {"_default_": {"quantity": 3}}}';
  const manifest = await readManifest(treeOfFiles({ 'app.json': appJson }));
  assert.deepEqual(Object.keys(manifest.vars), ['OK']);
  assert.deepEqual(manifest.formation, {});
  assert.deepEqual(manifest.warnings, [
    'app.json line 1: "a-b" is not known',
    'app.json line 2: "_default_" is not known',
  ]);
});

test('an app.json of Expo or React Native is not ours', async () => {
  const manifest = await readManifest(treeOfFiles({ 'app.json': '{"expo": {"name": "x", "env": 1}}' }));
  assert.deepEqual(manifest, nothing);
});

test('berth.toml comes before app.json, and app.json before the Procfile', async () => {
  const manifest = await readManifest(
    treeOfFiles({
      'berth.toml':
        '[processes.web]\ncommand = "b"\nquantity = 3\n[release]\ncommand = "c"\n[env]\nA = "toml"\n',
      'app.json': '{"env": {"A": "json", "B": "json"}, "formation": {"web": {"quantity": 1, "size": "eco"}}}',
      Procfile: 'web: a\nworker: w\nrelease: r',
    }),
  );
  assert.deepEqual(manifest.processTypes, { web: 'b', worker: 'w' });
  assert.deepEqual(manifest.formation, { web: { quantity: 3, memoryMb: 512 } });
  assert.equal(manifest.releaseCommand, 'c');
  assert.deepEqual(manifest.env, { A: 'toml' });
  assert.deepEqual(manifest.vars, { B: { required: false, value: 'json' } });
  assert.deepEqual(manifest.warnings, [
    'Procfile and berth.toml differ on "web": berth.toml counts',
    'Procfile and berth.toml differ on "release": berth.toml counts',
    'app.json and berth.toml differ on "A": berth.toml counts',
  ]);
});

test('each mistake in berth.toml is named with its line', async () => {
  const cases: [string, string][] = [
    ['[biuld]\n', '1: "biuld" is no key of berth.toml; did you mean "build"?'],
    ['\n[processes.web]\ncomand = "x"', '3: "comand" is no key of [processes.web]; did you mean "command"?'],
    ['[processes.web.health]\ninterval = "3s"', '2: "interval" is no key of [processes.web.health]'],
    ['[processes.web]\nquantity = "2"', '2: "quantity" of [processes.web] must be a number, found "2"'],
    [
      '[processes.web]\nquantity = 101',
      '2: "quantity" of [processes.web] must be between 0 and 100, found 101',
    ],
    [
      '[processes.web]\nmemory = "512 MiB"',
      '2: "memory" of [processes.web] must be memory, such as "512mb" or "1gb", found "512 MiB"',
    ],
    ['[processes.web]\nmemory = "2mb"', '2: "2mb" of memory is not between 16mb and 1024gb'],
    [
      '[release]\ncommand = "x"\ntimeout = 30',
      '3: "timeout" of [release] must be a string, such as "30s" or "5m", found 30',
    ],
    ['[release]\ncommand = "x"\ntimeout = "2h"', '3: "timeout" of [release] is "2h", more than 3600 seconds'],
    ['[release]\ntimeout = "2m"', '1: [release] has no "command"'],
    ['processes = 3', '1: [processes] must be a table, found 3'],
    ['[processes.Web]', '1: "Web" cannot be a name in [processes]'],
    ['[processes]\nrelease = "x"', '2: "release" is no process type of a formation'],
    ['[processes]\nweb = 3', '2: [processes.web] must be a string or a table, found 3'],
    ['[processes.worker]\nport = 1', '2: only "web" has a "port"'],
    ['[processes.worker.health]\npath = "/x"', '1: [processes.worker.health] has no "port"'],
    [
      '[processes.web.health]\npath = "x"',
      '2: "path" of [processes.web.health] must be a path, such as "/healthz", found "x"',
    ],
    ['[[cron]]\nschedule = "61 * * * *"\ncommand = "x"', '2: "61" is no minute (0-59)'],
    ['[[cron]]\ncommand = "x"', '1: [[cron]] has no "schedule"'],
    ['[env]\nPORT = 3', '2: the platform sets "PORT" itself'],
    ['[env]\n"A B" = 3', '2: "A B" cannot be a name in [env]'],
    ['[env]\nA = { description = "x" }', '2: "A" has no value'],
    ['[env]\nA = { generator = "uuid" }', '2: "generator" of "A" of [env] must be "secret", found "uuid"'],
    [
      '[build]\nbuilder = "dockerfil"',
      '2: "builder" of [build] must be one of "buildpacks", "dockerfile"; did you mean "dockerfile"?, found "dockerfil"',
    ],
    [
      '[build]\nbuilder = "buildpacks"\ntarget = "x"',
      '3: "target" is for Dockerfiles, but "builder" is "buildpacks"',
    ],
    ['[build]\nroot = "../x"', '2: "root" of [build] must stay below the root of the repository'],
    ['a = 1\na = 2', '2: "a" is there twice'],
    ['[build]\nroot = apps', '2: apps is no value: write "apps" in quotes'],
  ];
  for (const [text, message] of cases)
    await assert.rejects(readManifest(treeOfFiles({ 'berth.toml': text })), {
      message: `berth.toml line ${message}`,
      code: 'invalid',
    });
});

test('each mistake in app.json is named with its line', async () => {
  const cases: [string, string][] = [
    ['{\n"env": {\n"A": [1]}}', '3: "env.A" must be a string or a number or true or false or a table'],
    [
      '{"formation": {\n"web": {"quantity": -1}}}',
      '2: "formation.web.quantity" must be between 0 and 100, found -1',
    ],
    [
      '{\n"cron": [{"command": "x",\n"schedule": "* * *"}]}',
      '3: a cron expression has 5 fields (minute hour day month weekday), this has 3',
    ],
    ['{\n"env": {},,}', '2: expected a key in double quotes, found ",}"'],
    ['{\n// c\nenv: {}}', '3: expected a key in double quotes, found "env: {}}"'],
  ];
  for (const [text, message] of cases)
    await assert.rejects(readManifest(treeOfFiles({ 'app.json': text })), {
      message: `app.json line ${message}`,
    });
});

test('with a root, the other files are those of that folder', async () => {
  const files = {
    'berth.toml': '[build]\nroot = "./apps/api/"',
    Procfile: 'web: outside',
    'apps/api/Procfile': 'web: inside',
  };
  const { processTypes, build } = await readManifest(treeOfFiles(files));
  assert.deepEqual(processTypes, { web: 'inside' });
  assert.deepEqual(build, { root: 'apps/api' });
  await assert.rejects(readManifest(treeOfFiles({ 'berth.toml': '[build]\nroot = "apps"' })), {
    message: 'berth.toml names the root "apps", which is no folder of the commit',
  });
  await assert.rejects(readManifest(treeOfFiles({ ...files, 'apps/api/berth.toml': '' })), {
    message: 'there is a berth.toml in "apps/api" too',
  });
});

test('a link, a file of the wrong size and a name in the wrong case', async () => {
  const tree = treeOfFiles({ 'berth.toml': 'x' });
  const entries = new Map([['berth.toml', { kind: 'symlink' as const, oid: 'x' }]]);
  await assert.rejects(readManifest({ ...tree, entries } as SourceTree), {
    message: '"berth.toml" is a symbolic link',
  });
  const { warnings } = await readManifest(treeOfFiles({ procfile: 'web: x' }));
  assert.deepEqual(warnings, ['"procfile" is not read: its name must be "Procfile"']);
});

test('process types: defaults, Procfile, berth.toml, release phase', async () => {
  const final = async (files: Record<string, string>) =>
    finalProcessTypes(await readManifest(treeOfFiles(files)), { web: 'default' });
  assert.deepEqual((await final({})).processTypes, { web: 'default' });
  assert.deepEqual((await final({ Procfile: 'release: r' })).processTypes, { web: 'default', release: 'r' });
  assert.deepEqual((await final({ Procfile: 'worker: w' })).processTypes, { worker: 'w' });
  assert.deepEqual((await final({ 'berth.toml': '[processes]\nworker = "w"' })).processTypes, {
    web: 'default',
    worker: 'w',
  });
  await assert.rejects(final({ 'berth.toml': '\n[processes.wrker]\nquantity = 1', Procfile: 'worker: w' }), {
    message: 'berth.toml line 2: the process type "wrker" has no command; did you mean "worker"?',
  });
  assert.deepEqual((await final({ 'app.json': '{"formation": {"job": {"quantity": 1}}}' })).warnings, [
    'app.json line 1: the process type "job" has no command',
  ]);
});

test('what travels with a release', async () => {
  const manifest = await readManifest(
    treeOfFiles({
      'berth.toml': '[processes.web]\nstop_timeout = "1m"\n[env]\nA = true\n[build]\ncommand = "x"',
    }),
  );
  assert.deepEqual(releaseManifest(manifest), {
    formation: {},
    healthChecks: {},
    stopTimeouts: { web: 60 },
    cron: [],
    postdeploy: {},
    env: { A: 'true' },
  });
});
