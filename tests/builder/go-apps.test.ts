// Go apps through the real engine: what is served, what is in the image, what is reused, and what a pusher is told. Toolchain and modules come from GOPROXY.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { fixture } from './fixture.ts';
import { type BuildOptions, type Files, openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbgo' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end.result;
}

async function failure(files: Files, options?: BuildOptions): Promise<{ error: string; hint?: string }> {
  const build = await bench.build(files, options);
  assert.equal(build.end?.status, 'failed', build.output);
  assert.deepEqual(await bench.engine.listContainers({ all: true }), []);
  return build.end as unknown as { error: string; hint?: string };
}

const layersOf = async (build: FakeBuild) =>
  (await bench.engine.inspectImage(resultOf(build).image))?.RootFS.Layers ?? [];

test('a command at the root is served with its templates, from an image of source and binary alone', async () => {
  const build = await bench.build(fixture('go-plain'), { app: 'plain' });
  const result = resultOf(build);
  assert.equal(result.language, 'Go');
  assert.deepEqual(result.processTypes, { web: 'bin/hello' });
  assert.match(build.output, /^ {7}Go 1\.26\.\d+ \("go 1\.26" in go\.mod\)$/m);
  const served = await bench.serve(build);
  assert.match((await served.get('/')).body, /^<p>hello from go1\.26\.\d+<\/p>$/m);
  await served.stop();
  const seen = await bench.runIn(
    result.image,
    'ls -A /app /app/bin; ls /opt; command -v hello; command -v go',
  );
  assert.equal(seen.output, '/app:\nbin\ngo.mod\nmain.go\ntemplates\n\n/app/bin:\nhello\n/app/bin/hello\n');
});

test('a changed line is compiled, even in a file of the same size and time', async () => {
  const files = fixture('go-plain');
  const other = String(files['main.go']).replace('"log"', '"fmt"').replace('log.Fatal', 'fmt.Print');
  const build = await bench.build({ ...files, 'main.go': other }, { app: 'plain' });
  const steps = resultOf(build).steps.map(({ name, cached }) => `${name} ${cached}`);
  assert.deepEqual(steps.sort(), ['build false', 'runtime true', 'runtime true', 'source false']);
  assert.ok(build.ms < 20_000, `${build.ms} ms`);
});

test('the same source gives the same layers, whoever builds it', async () => {
  const again = await bench.build(fixture('go-plain'), { app: 'twin' });
  const first = await bench.build({ ...fixture('go-plain'), 'empty.txt': '' }, { app: 'plain' });
  assert.equal((await layersOf(again)).at(-1), (await layersOf(first)).at(-1));
});

test('modules are downloaded once for a go.mod', async () => {
  const files = fixture('go-modules');
  const build = await bench.build(files, { app: 'modules' });
  assert.match(build.output, /^-----> Downloading modules$/m);
  const served = await bench.serve(build);
  assert.equal((await served.get('/greet/berth')).body, 'hello berth');
  await served.stop();
  const changed = await bench.build(
    { ...files, 'main.go': `${files['main.go']}// more\n` },
    { app: 'modules' },
  );
  assert.match(changed.output, /^-----> Restoring modules \(unchanged\)$/m);
  const { 'go.sum': _, ...unsummed } = files;
  const without = await bench.build(unsummed, { app: 'modules' });
  assert.match(without.output, /go\.sum is not in the commit/);
  assert.deepEqual((await bench.runIn(resultOf(without).image, 'ls /app')).output, 'bin\ngo.mod\nmain.go\n');
});

test('each folder of cmd/ is a command; "server" is the web process', async () => {
  const build = await bench.build(fixture('go-commands'), { app: 'commands' });
  const result = resultOf(build);
  assert.deepEqual(result.processTypes, { web: 'bin/server', worker: 'bin/worker' });
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'two commands');
  await served.stop();
  assert.equal((await bench.runIn(result.image, 'worker')).output, 'worker: two commands\n');
});

test('vendored modules are compiled as they are', async () => {
  const build = await bench.build(fixture('go-vendored'), { app: 'vendored' });
  assert.doesNotMatch(build.output, /Downloading modules/);
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'vendored');
  await served.stop();
});

test('a workspace is one app', async () => {
  const build = await bench.build(fixture('go-workspace'), { app: 'workspace' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'bin/site' });
  const served = await bench.serve(build);
  assert.equal((await served.get('/')).body, 'hello from a workspace');
  await served.stop();
});

test('a value is linked in by the config vars that name it', async () => {
  const files = {
    'go.mod': 'module example.com/linked\n\ngo 1.26\n',
    'main.go': 'package main\n\nvar version = "none"\n\nfunc main() { println(version) }\n',
  };
  const vars = { GO_LINKER_SYMBOL: 'main.version', GO_LINKER_VALUE: 'v1 of today' };
  const build = await bench.build(files, { app: 'linked', vars });
  assert.equal((await bench.runIn(resultOf(build).image, 'linked')).output, 'v1 of today\n');
});

test('a Go app with a front end of Node.js embeds what the front end became', async () => {
  const files = {
    '.buildpacks': 'heroku/nodejs\nheroku/go\n',
    'package.json': '{"name":"front","version":"1.0.0","scripts":{"build":"node build.js"}}',
    'build.js':
      "const fs = require('node:fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/page.txt', 'from the front end');\n",
    'go.mod': 'module example.com/both\n\ngo 1.26\n',
    'main.go': `package main

import (
	"embed"
	"net/http"
	"os"
)

//go:embed dist
var site embed.FS

func main() { http.ListenAndServe(":"+os.Getenv("PORT"), http.FileServerFS(site)) }
`,
  };
  const build = await bench.build(files, { app: 'both' });
  assert.deepEqual(resultOf(build).processTypes, { web: 'bin/both' });
  const served = await bench.serve(build);
  assert.equal((await served.get('/dist/page.txt')).body, 'from the front end');
  await served.stop();
});

test('code in C is compiled with the compilers of the build stack', async () => {
  const files = {
    'go.mod': 'module example.com/withc\n\ngo 1.26\n',
    'main.go':
      'package main\n\n// int seven(void) { return 7; }\nimport "C"\n\nfunc main() { println(int(C.seven())) }\n',
  };
  const build = await bench.build(files, { app: 'withc' });
  assert.equal((await bench.runIn(resultOf(build).image, 'withc')).output, '7\n');
});

const main = 'package main\n\nfunc main() {}\n';
const mod = 'module example.com/broken\n\ngo 1.26\n';
const failures: { name: string; files: Files; error: RegExp | string; hint?: RegExp | string }[] = [
  {
    name: 'a compile error is told with its line',
    files: { 'go.mod': mod, 'main.go': 'package main\n\nfunc main() {\n\tmissing()\n}\n' },
    error: 'main.go:4:2: undefined: missing',
    hint: "the compiler's own messages are above",
  },
  {
    name: 'a module that go.sum does not know is told',
    files: { ...fixture('go-modules'), 'go.sum': '' },
    error: 'go.sum has no entry for "github.com/gorilla/mux"',
    hint: 'run "go mod tidy", commit go.mod and go.sum and push again',
  },
  {
    name: 'a package that no module has is told',
    files: {
      'go.mod': mod,
      'main.go': 'package main\n\nimport _ "github.com/gorilla/mux"\n\nfunc main() {}\n',
    },
    error: 'go.mod has no module for the package "github.com/gorilla/mux"',
  },
  {
    name: 'a module that does not exist is named',
    files: { 'go.mod': `${mod}\nrequire github.com/gorilla/mux v1.99.0\n`, 'main.go': main },
    error: 'the module "github.com/gorilla/mux@v1.99.0" does not exist',
  },
  {
    name: 'a vendor folder out of step is told',
    files: {
      ...fixture('go-vendored'),
      'go.mod': 'module example.com/vendored\n\ngo 1.26\n\nrequire example.com/far/words v1.2.4\n',
    },
    error: 'vendor/ is out of step with go.mod',
  },
  {
    name: 'a module without a command is refused',
    files: { 'go.mod': mod, 'lib.go': 'package lib\n' },
    error: 'the app has no main package',
  },
  {
    name: 'Go files without a go.mod are refused',
    files: { 'main.go': main },
    error: 'there is no go.mod',
  },
  {
    name: 'a Go that does not exist is refused with the nearest ones',
    files: { 'go.mod': mod, 'main.go': main, '.go-version': '1.25.99\n' },
    error: 'there is no Go "1.25.99" (.go-version)',
    hint: /^nearest: 1\.25\.\d+, 1\.25\./,
  },
];
for (const { name, files, error, hint } of failures)
  test(name, async () => {
    const told = await failure(files, { app: 'broken' });
    assert.equal(told.error, error);
    if (hint instanceof RegExp) assert.match(told.hint ?? '', hint);
    else if (hint !== undefined) assert.equal(told.hint, hint);
  });
