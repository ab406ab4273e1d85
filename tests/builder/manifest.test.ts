// What an app says of itself reaches the build: through the real engine, with apps that need no package manager.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FakeBuild } from './fake-controller.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

let bench: Workbench;
before(async () => {
  bench = await openWorkbench({}, { name: 'bbman' });
});
after(() => bench.close());

function succeeded(build: FakeBuild) {
  assert.equal(build.end?.status, 'succeeded', build.output + JSON.stringify(build.end));
  return build.end;
}

function refused(build: FakeBuild): string {
  assert.equal(build.end?.status, 'failed', build.output);
  return build.end.error;
}

test('process types, port, health and cron travel with the build; a mistake is refused before anything is made', async () => {
  const files = {
    'index.html': 'hello',
    'berth.toml': `[processes]
worker = "sleep 1"
[processes.web]
quantity = 2
port = 8080
[processes.web.health]
path = "/up"
[[cron]]
schedule = "@daily"
command = "true"
[release]
command = "echo migrate"
`,
  };
  const { result } = succeeded(await bench.build(files, { app: 'site' }));
  assert.equal(result.port, 8080);
  assert.equal(result.processTypes['worker'], 'sleep 1');
  assert.equal(result.processTypes['release'], 'echo migrate');
  assert.ok(result.processTypes['web']);
  assert.deepEqual(result.manifest, {
    formation: { web: { quantity: 2 } },
    healthChecks: { web: { path: '/up' } },
    stopTimeouts: {},
    cron: [{ schedule: '@daily', command: 'true' }],
    postdeploy: {},
    env: {},
  });
  const wrong = await bench.build({ ...files, 'berth.toml': '[proceses]' }, { app: 'site' });
  assert.equal(
    refused(wrong),
    'berth.toml line 1: "proceses" is no key of berth.toml; did you mean "processes"?',
  );
});

test('a required config var is asked for, a generated one is made once and never shown', async () => {
  const appJson = {
    env: {
      KEY: { required: true, description: 'of the bank' },
      SECRET: { generator: 'secret' },
      MODE: 'test',
    },
  };
  const files = { 'index.html': 'x', 'app.json': JSON.stringify(appJson) };
  const missing = await bench.build(files, { app: 'vars' });
  assert.equal(refused(missing), 'a required config var is not set: KEY (of the bank)');
  const end = succeeded(await bench.build(files, { app: 'vars', vars: { KEY: 'k' } }));
  assert.match(end.newVars?.['SECRET'] ?? '', /^[0-9a-f]{64}$/);
  assert.equal(end.newVars?.['MODE'], 'test');
  assert.ok(!JSON.stringify(end.result).includes(end.newVars?.['SECRET'] ?? '?'));
  const again = await bench.build(files, { app: 'vars', vars: { KEY: 'k', SECRET: 's', MODE: 'm' } });
  assert.equal(succeeded(again).newVars, undefined);
});

test('a build command runs over the source, with the environment that the manifest gives', async () => {
  const files = {
    'index.html': 'x',
    'berth.toml': `[build]\ncommand = 'echo "$GREETING" > made.txt'\n[env]\nGREETING = "hello there"\n`,
  };
  const { result } = succeeded(await bench.build(files, { app: 'made' }));
  const { output } = await bench.runIn(result.image, 'cat /app/made.txt');
  assert.equal(output, 'hello there\n');
});

test('a Dockerfile of another name, its target, arguments and secrets', async () => {
  const dockerfile = `FROM berth/stack:13 AS small
ARG WHO
RUN --mount=type=secret,id=TOKEN test "$(cat /run/secrets/TOKEN)" = "sesame-open" && echo "for $WHO" > /who
CMD ["cat", "/who"]
FROM small AS large
RUN false
`;
  const berthToml = `[build]
dockerfile = "docker/web.dockerfile"
target = "small"
secrets = ["TOKEN"]
[build.args]
WHO = "us"
`;
  const files = { 'docker/web.dockerfile': dockerfile, 'berth.toml': berthToml };
  const missing = refused(await bench.build(files, { app: 'docker' }));
  assert.equal(missing, 'the config var for a secret of the build is not set: TOKEN');
  const { result } = succeeded(await bench.build(files, { app: 'docker', vars: { TOKEN: 'sesame-open' } }));
  const { output } = await bench.runIn(result.image, 'cat /who; ls -A /run/secrets 2>/dev/null');
  assert.equal(output, 'for us\n');
});

test('a root is the app, and what is ignored is no part of it', async () => {
  const files = {
    'berth.toml': '[build]\nroot = "sites/a"\nignore = ["*.draft"]\n',
    'package.json': '{}',
    'sites/a/index.html': 'this one',
    'sites/a/new.draft': 'not yet',
    'sites/b/index.html': 'not this one',
  };
  const { result } = succeeded(await bench.build(files, { app: 'mono' }));
  const { output } = await bench.runIn(result.image, 'find /app -type f; cat $(find /app -name index.html)');
  assert.match(output, /this one/);
  assert.doesNotMatch(output, /draft|sites|package/);
});

test('a key that the chosen builder has no use for is refused', async () => {
  const files = { 'index.html': 'x', 'berth.toml': '[build]\ntarget = "prod"' };
  const message = refused(await bench.build(files, { app: 'unused' }));
  assert.match(
    message,
    /^berth.toml: "target" of \[build\] is for Dockerfiles, and this is a static site app/i,
  );
});
