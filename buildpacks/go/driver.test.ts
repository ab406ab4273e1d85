import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildPlan, PlanContext, RunLayer } from '@berth/builder/plan/plan.ts';
import { treeOfFiles } from '@berth/tests/builder/tree-of-files.ts';
import { goDriver } from './driver.ts';
import { readModuleFile } from './go-mod.ts';
import { readGoFile } from './main-packages.ts';

const versions = [
  '1.9.7',
  '1.20.14',
  '1.21.13',
  '1.25.3',
  '1.25.14',
  '1.26.9',
  '1.26.11',
  '1.27rc1',
  '1.27.4',
];
const context: PlanContext = {
  platformNode: { version: '24.21.0', npmVersion: '11.19.1' },
  arch: 'x64',
  vars: {},
  listVersions: async (list) =>
    list.env['NAME'] === undefined
      ? list.parse(
          versions
            .map((version) => `v0.0.1-go${version}.linux-amd64\nv0.0.1-go${version}.linux-arm64\n`)
            .join(''),
        )
      : list.parse(list.env['NAME'] === 'v0.0.1-go1.25.2.linux-amd64' ? 'found' : ''),
};
const planOf = (files: Record<string, string>, more: Partial<PlanContext> = {}): Promise<BuildPlan> =>
  goDriver.plan(treeOfFiles(files), { ...context, ...more });
const shape = (plan: BuildPlan) =>
  plan.layers.map((layer) => `${layer.id}${layer.inImage ? '' : ' (not in the image)'}`);
const run = (plan: BuildPlan, id: string) => plan.layers.find((layer) => layer.id === id) as RunLayer;
const main = 'package main\n\nfunc main() {}\n';
const mod = 'module example.com/team/hello/v2\n\ngo 1.26\n';
const withModule = {
  'go.mod': `${mod}\nrequire github.com/gorilla/mux v1.8.1\n`,
  'go.sum': 'x',
  'main.go': main,
};

test('a module with a dependency: every layer, and the whole build step', async () => {
  const plan = await planOf(withModule);
  assert.deepEqual(shape(plan), [
    'toolbox (not in the image)',
    'tools (not in the image)',
    'runtime (not in the image)',
    'standard-library (not in the image)',
    'dependencies (not in the image)',
    'source',
    'output',
  ]);
  assert.deepEqual(plan.details, ['Go 1.26.11 ("go 1.26" in go.mod)', 'Commands: hello']);
  assert.deepEqual(plan.defaultProcessTypes, { web: 'bin/hello' });
  assert.deepEqual(plan.path, ['/app/bin']);
  const { script, explain, ...step } = run(plan, 'output');
  assert.match(script, /^go build "\$@" -o bin\/ \$PACKAGES$/m);
  assert.equal(typeof explain, 'function');
  assert.deepEqual(step, {
    kind: 'run',
    id: 'output',
    inImage: true,
    title: 'Compiling hello',
    step: 'build',
    on: ['runtime', 'standard-library', 'dependencies', 'source'],
    key: ['', '.'],
    scope: 'app',
    files: [],
    stack: 'run',
    user: 'app',
    env: {
      GOTOOLCHAIN: 'local',
      GOENV: 'off',
      GODEBUG: 'goindex=0',
      GOTELEMETRY: 'off',
      CGO_ENABLED: '0',
      GOCACHE: '/cache/go-build',
      GOMODCACHE: '/opt/berth/go-modules',
      PACKAGES: '.',
      MOD: '',
      TOOLCHAIN: '1.26.11',
    },
    path: ['/opt/berth/go/bin'],
    vars: 'install',
    caches: { 'go-build': '/cache/go-build' },
    keep: '/app',
    leaveOut: ['go.mod', 'go.sum'],
    quiet: false,
  });
});

test('modules are keyed by go.mod and go.sum, never by the source', async () => {
  const key = async (files: Record<string, string>) => run(await planOf(files), 'dependencies').key.join();
  assert.equal(await key({ ...withModule, 'other.go': main }), await key(withModule));
  assert.notEqual(await key({ ...withModule, 'go.sum': 'y' }), await key(withModule));
  assert.deepEqual(run(await planOf(withModule), 'dependencies').files, ['go.mod', 'go.sum']);
});

test('without modules, or with vendored ones, nothing is downloaded', async () => {
  const none = await planOf({ 'go.mod': mod, 'main.go': main });
  assert.equal(run(none, 'dependencies'), undefined);
  const vendored = await planOf({ ...withModule, 'vendor/modules.txt': '# x\n' });
  assert.equal(run(vendored, 'dependencies'), undefined);
  assert.equal(run(vendored, 'output').env['MOD'], 'vendor');
});

test('without a go.sum the go command writes one, and the pusher is told', async () => {
  const { 'go.sum': _, ...files } = withModule;
  const plan = await planOf(files);
  assert.equal(run(plan, 'output').env['MOD'], 'mod');
  assert.match(plan.warnings.join(), /^go\.sum is not in the commit/);
});

test('Go is the newest patch of the line that is asked for, whoever asks', async () => {
  const version = async (files: Record<string, string>, vars = {}) =>
    (await planOf({ 'go.mod': mod, 'main.go': main, ...files }, { vars })).details[0];
  assert.equal(
    await version({ 'go.mod': 'module a\n' }),
    'Go 1.27.4 (the newest; ask for another with "go 1.N" in go.mod)',
  );
  assert.equal(await version({ 'go.mod': 'module a\n\ngo 1.25.2\n' }), 'Go 1.25.14 ("go 1.25.2" in go.mod)');
  assert.equal(
    await version({ 'go.mod': 'module a\n\ngo 1.21\n\ntoolchain go1.25.1\n' }),
    'Go 1.25.14 ("toolchain go1.25.1" in go.mod)',
  );
  assert.equal(await version({ '.go-version': '# ours\n1.26.9\n' }), 'Go 1.26.9 (.go-version)');
  assert.equal(await version({ '.tool-versions': 'nodejs 24\ngolang 1.27\n' }), 'Go 1.27.4 (.tool-versions)');
  assert.equal(
    await version({ 'go.mod': '// +heroku goVersion go1.27\nmodule a\n\ngo 1.21\n' }),
    'Go 1.27.4 ("+heroku goVersion" in go.mod)',
  );
  assert.equal(
    await version({ '.go-version': '1.26' }, { GOVERSION: 'go1.27.4' }),
    'Go 1.27.4 (the config var GOVERSION)',
  );
  assert.equal(
    await version({ 'go.mod': 'module a\n\ngo 1.21\n', '.go-version': '1.25.2' }),
    'Go 1.25.2 (.go-version)',
    'a version the proxy has but does not list',
  );
});

test('what is older than the proxies have is built by the newest, with a word', async () => {
  const old = await planOf({ 'go.mod': 'module a\n\ngo 1.13\n', 'main.go': main });
  assert.deepEqual(
    [old.details[0], old.warnings],
    ['Go 1.27.4 ("go 1.13" in go.mod; the newest builds it)', []],
  );
  const asked = await planOf({ 'go.mod': 'module a\n\ngo 1.13\n', 'main.go': main, '.go-version': '1.13.4' });
  assert.deepEqual(asked.warnings, ['Go 1.13.4 is no longer to be had: Go 1.27.4 builds the app']);
});

test('a version that cannot be had is refused', async () => {
  const rejects = (files: Record<string, string>, message: string, hint: string) =>
    assert.rejects(planOf({ 'go.mod': mod, 'main.go': main, ...files }), { message, hint });
  await rejects(
    { '.go-version': '1.25.99' },
    'there is no Go "1.25.99" (.go-version)',
    'nearest: 1.25.14, 1.25.3',
  );
  await rejects(
    { 'go.mod': 'module a\n\ngo 1.31\n' },
    'there is no Go "1.31" ("go 1.31" in go.mod)',
    'nearest: 1.27.4, 1.26.11, 1.25.14, 1.21.13',
  );
  await rejects(
    { '.go-version': 'banana' },
    '"banana" (.go-version) is not a version of Go',
    'write a version, for example "1.26" or "1.26.1"',
  );
  await rejects(
    { '.go-version': '1.25' },
    '.go-version asks for Go 1.25, but go.mod needs 1.26',
    'make the two agree and push again',
  );
});

test('commands: cmd/ and the root, one of them the web process', async () => {
  const types = async (files: Record<string, string>, vars = {}) =>
    (await planOf({ 'go.mod': mod, ...files }, { vars })).defaultProcessTypes;
  assert.deepEqual(await types({ 'cmd/web/a.go': main, 'cmd/worker/a.go': main, 'tools/x/x.go': main }), {
    web: 'bin/web',
    worker: 'bin/worker',
  });
  assert.deepEqual(await types({ 'cmd/hello/a.go': main, 'cmd/migrate/a.go': main }), {
    web: 'bin/hello',
    migrate: 'bin/migrate',
  });
  assert.deepEqual(await types({ 'app/app.go': main, 'examples/one/a.go': main }), { web: 'bin/app' });
  assert.deepEqual(await types({ 'cmd/a/a.go': main, 'cmd/b/b.go': main }), { a: 'bin/a', b: 'bin/b' });
  assert.deepEqual(
    await types({ 'cmd/a/a.go': main, 'cmd/b/b.go': main }, { GO_INSTALL_PACKAGE_SPEC: './cmd/b' }),
    {
      web: 'bin/b',
    },
  );
  assert.deepEqual(
    await types({ 'go.mod': `${mod}// +heroku install ./srv/...\n`, 'main.go': main, 'srv/x/x.go': main }),
    {
      web: 'bin/x',
    },
  );
  await assert.rejects(types({ 'cmd/x/a.go': main, 'cmd/y/x/a.go': main }), {
    message: '"./cmd/x" and "./cmd/y/x" are both named "x"',
  });
  await assert.rejects(types({ 'main.go': main }, { GO_INSTALL_PACKAGE_SPEC: '-toolexec=x' }), {
    message: '"-toolexec=x" (the config var GO_INSTALL_PACKAGE_SPEC) is not a package to build',
  });
});

test('a workspace: commands of all its modules', async () => {
  const plan = await planOf({
    'go.work': 'go 1.26\n\nuse (\n\t./api\n\t./lib\n)\n',
    'api/go.mod': 'module example.com/api\n\ngo 1.25\n',
    'api/cmd/server/main.go': main,
    'lib/go.mod': 'module example.com/lib\n\ngo 1.25\n',
    'lib/lib.go': 'package lib\n',
    'other/go.mod': 'module example.com/other\n',
    'other/main.go': main,
  });
  assert.equal(run(plan, 'output').env['PACKAGES'], './api/cmd/server');
  assert.equal(plan.details[0], 'Go 1.26.11 ("go 1.26" in go.work)');
  await assert.rejects(planOf({ 'go.work': 'go 1.26\nuse ./gone\n' }), {
    message: 'go.work uses "gone/go.mod", which is not in the commit',
  });
});

test('a C compiler is there when something needs it, or when the app says so', async () => {
  const stack = async (files: Record<string, string>, vars = {}) => {
    const step = run(await planOf({ 'go.mod': mod, 'main.go': main, ...files }, { vars }), 'output');
    return `${step.stack} ${step.env['CGO_ENABLED']}`;
  };
  assert.equal(await stack({}), 'run 0');
  assert.equal(await stack({ 'c.go': 'package main\n\n// int x;\nimport "C"\n' }), 'build 1');
  assert.equal(await stack({ 'go.mod': `${mod}require github.com/mattn/go-sqlite3 v1.14.0\n` }), 'build 1');
  assert.equal(await stack({}, { CGO_ENABLED: '1' }), 'build 1');
});

test('a Go file says what it is before its first declaration', () => {
  const isMain = (text: string) => readGoFile(text).isMain;
  assert.equal(isMain('// Copyright\n\n/* package x */\n\npackage main // ours\n'), true);
  assert.equal(isMain('//go:build ignore\n\npackage main\n'), false);
  assert.equal(isMain('//go:build mage\n\npackage main\n'), false);
  assert.equal(isMain('//go:build linux || darwin\n\npackage main\n'), true);
  assert.equal(isMain('//go:build !windows && !js\n\npackage main\n'), true);
  assert.equal(isMain('// +build ignore\n\npackage main\n'), false);
  assert.equal(isMain('package mainly\n'), false);
});

test('go.mod is read with its blocks, comments and quotes', () => {
  const file = readModuleFile(
    'module "example.com/a" // x\ngo 1.23.4\ntoolchain go1.24.1\nrequire (\n\ta.org/b v1.0.0 // indirect\n\t// c.org/d v1\n)\nrequire e.org/f v2.0.0\nexclude (\n g.org/h v1\n)\n',
  );
  assert.deepEqual(file, {
    module: 'example.com/a',
    go: '1.23.4',
    toolchain: '1.24.1',
    requires: ['a.org/b', 'e.org/f'],
    uses: [],
    herokuVersion: undefined,
    herokuInstall: [],
  });
});
