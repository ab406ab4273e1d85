// Who builds an app, through the real engine: several languages in one image, a Dockerfile beside a package.json, the folder of a monorepo,
// settings that change. Languages' own tests are elsewhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BuildResult } from '@berth/contract/build.ts';
import type { FakeBuild } from './fake-controller.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;

before(async () => {
  bench = await openWorkbench({}, { name: 'bbch' });
});
after(() => bench.close());

function resultOf(build: FakeBuild): BuildResult {
  if (build.end?.status !== 'succeeded') throw new Error(`${JSON.stringify(build.end)}\n${build.output}`);
  return build.end.result;
}

const manifest = (fields: object) => JSON.stringify({ name: 'a', version: '1.0.0', ...fields });
const serverJs = `require('node:http').createServer((_, answer) => answer.end('node ' + process.version)).listen(process.env.PORT)`;
const nodeApp = { 'package.json': manifest({ scripts: { start: 'node server.js' } }), 'server.js': serverJs };

test('.buildpacks makes one image of two languages: what Node builds, the static site serves', async () => {
  const build = await bench.build(
    {
      '.buildpacks': '# assets first\r\nheroku/nodejs\r\n\r\nheroku-buildpack-static\r\n',
      'package.json': manifest({ scripts: { build: 'node build.js' } }),
      'build.js': `require('node:fs').writeFileSync('public/built.txt', 'by node ' + process.version)`,
      'public/index.html': '<h1>home</h1>',
    },
    { app: 'two' },
  );
  const result = resultOf(build);
  assert.match(build.output, /^-----> Node\.js \+ Static site detected \(\.buildpacks\)$/m);
  assert.deepEqual(result.detected, {
    driver: 'node+static',
    label: 'Node.js + Static site',
    why: '.buildpacks',
  });
  assert.deepEqual(
    result.layers.map(({ name }) => name.replace(/^stack.*/, 'stack')),
    ['stack', 'node-runtime', 'static-server', 'source', 'node-output'],
  );
  assert.ok(result.layers.every(({ sizeBytes }) => sizeBytes > 0));
  const site = await bench.serve(build);
  assert.match((await site.get('/')).body, /home/);
  assert.match((await site.get('/built.txt')).body, /^by node v\d+/);
  await site.stop();
});

test('the last language starts the app and has the tools of the one before it', async () => {
  const build = await bench.build(
    {
      'package.json': manifest({ scripts: { build: 'node build.js' } }),
      'build.js': `require('node:fs').writeFileSync('asset.txt', 'made by node')`,
      'requirements.txt': '',
      'app.py': `
import http.server, os, subprocess
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write((open('asset.txt').read() + ', served by python; ' + subprocess.getoutput('node --version')).encode())
http.server.HTTPServer(('', int(os.environ['PORT'])), Answer).serve_forever()
`,
      Procfile: 'web: python app.py\n',
    },
    { app: 'both', settings: { buildpacks: ['node', 'heroku/python'] } },
  );
  assert.match(build.output, /^-----> Node\.js \+ Python app detected \(set on the app\)$/m);
  const served = await bench.serve(build);
  assert.match((await served.get('/')).body, /^made by node, served by python; v\d+/);
  await served.stop();
});

test('a Dockerfile beside a package.json builds the app, until a buildpack is set; each setting has its image', async () => {
  const files = { ...nodeApp, Dockerfile: 'FROM berth/stack:13\nCMD ["/bin/sleep", "1000"]\n' };
  const boxed = await bench.build(files, { app: 'boxed' });
  assert.deepEqual(resultOf(boxed).detected, {
    driver: 'dockerfile',
    label: 'Dockerfile',
    why: 'Dockerfile at the root',
  });
  assert.ok(resultOf(boxed).layers.length > 0);
  const settings = { buildpacks: ['node'] };
  const set = resultOf(await bench.build(files, { app: 'boxed', settings }));
  assert.deepEqual([set.detected.why, set.language, set.reused], ['set on the app', 'Node.js', false]);
  assert.equal(resultOf(await bench.build(files, { app: 'boxed', settings })).reused, true);
  const back = resultOf(await bench.build(files, { app: 'boxed' }));
  assert.deepEqual([back.reused, back.image], [true, resultOf(boxed).image]);
});

test('the folder of a monorepo is the app, and a change beside it builds nothing', async () => {
  const files = { 'apps/web/package.json': nodeApp['package.json'], 'apps/web/server.js': serverJs };
  const vars = { PROJECT_PATH: 'apps/web' };
  const build = await bench.build({ ...files, 'package.json': 'no JSON' }, { app: 'mono', vars });
  assert.match(build.output, /^-----> Building the folder apps\/web \(config var PROJECT_PATH\)$/m);
  const served = await bench.serve(build);
  assert.match((await served.get('/')).body, /^node v/);
  await served.stop();
  const { output } = await bench.runIn(resultOf(build).image, 'ls /app');
  assert.deepEqual(output.trim().split('\n'), ['package.json', 'server.js']);
  assert.equal(resultOf(await bench.build({ ...files, 'x/y': '1' }, { app: 'mono', vars })).reused, true);
  const toml = await bench.build(
    { ...files, 'berth.toml': '[build]\nroot = "apps/web"\n' },
    { app: 'mono2' },
  );
  assert.equal(resultOf(toml).language, 'Node.js');
});

test('a buildpack that does not know the app ends the build, as does one that is none', async () => {
  const failed = async (...buildpacks: string[]) => {
    const { end } = await bench.build(nodeApp, { app: 'wrong', settings: { buildpacks } });
    return end?.status === 'failed' ? [end.error, end.hint] : end;
  };
  assert.deepEqual(await failed('python'), [
    'the buildpack "python" does not find its app in the commit',
    'it looks for requirements.txt, pyproject.toml, Pipfile, uv.lock (Python); it comes from the setting of the app',
  ]);
  assert.deepEqual(await failed('nodejss'), [
    'the setting of the app: "nodejss" is neither a known buildpack, nor a URL, nor a folder (./buildpacks/mine)',
    'did you mean "nodejs"?',
  ]);
});

test('a push without caches takes neither the image nor a layer of the app, and the next one takes its', async () => {
  const files = {
    ...nodeApp,
    'package.json': manifest({ scripts: { build: 'date +%N > built', start: 'node server.js' } }),
  };
  const first = resultOf(await bench.build(files, { app: 'anew' }));
  const anew = await bench.build(files, { app: 'anew', noCache: true });
  assert.match(anew.output, /^-----> Building without caches$/m);
  const result = resultOf(anew);
  const cached = Object.fromEntries(result.layers.map(({ name, cached }) => [name, cached]));
  assert.deepEqual([result.reused, cached['output'], cached['runtime']], [false, false, true]);
  assert.notEqual(result.image, first.image);
  const next = resultOf(await bench.build(files, { app: 'anew' }));
  assert.deepEqual([next.reused, next.image], [true, result.image]);
});

test('berth.toml names Dockerfile, stage, arguments and secrets; a secret is in no layer', async () => {
  const toml = `[build]
dockerfile = "deploy/web.dockerfile"
target = "web"
secrets = ["TOKEN"]
args = { WORD = "hello" }
`;
  const dockerfile = `FROM berth/stack:13 AS web
ARG WORD
RUN --mount=type=secret,id=TOKEN test "$(cat /run/secrets/TOKEN)" = sesame-open && echo "$WORD" > /word
CMD ["/bin/sleep", "1000"]
FROM web AS other
RUN false
`;
  const files = { 'berth.toml': toml, 'deploy/web.dockerfile': dockerfile };
  const unset = await bench.build(files, { app: 'secret' });
  assert.equal(
    unset.end?.status === 'failed' && unset.end.error,
    'the config var for a secret of the build is not set: TOKEN',
  );
  const vars = { TOKEN: 'sesame-open' };
  const { image, detected } = resultOf(await bench.build(files, { app: 'secret', vars }));
  assert.equal(detected.why, '"dockerfile" in berth.toml');
  const { output } = await bench.runIn(image, 'cat /word; ls /run/secrets 2>/dev/null; true');
  assert.equal(output, 'hello\n');
  assert.equal(resultOf(await bench.build(files, { app: 'secret', vars })).reused, true);
  const other = await bench.build(files, { app: 'secret', vars: { TOKEN: 'another-token' }, noCache: true });
  assert.equal(other.end?.status, 'failed', 'the secret is the one that is set now');
});
