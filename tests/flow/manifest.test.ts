// An app that says about itself in berth.toml and app.json what it needs: pushed once, and all of it is there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CronRun } from '@berth/contract/cron.ts';
import type { Instance } from '@berth/contract/instance.ts';
import { makeApp, serverFiles, type TestApp } from '../helpers/app.ts';
import { startPlatform, type TestPlatform } from '../helpers/platform.ts';

let platform: TestPlatform;
let app: TestApp;

/** Not ready for a moment after it listens; tells its environment. */
const server = `const http = require('node:http');
const begun = Date.now();
http.createServer((request, response) => {
  const { WORD, SECRET, MODE, PORT } = process.env;
  if (request.url === '/healthz') response.statusCode = Date.now() - begun < 500 ? 503 : 200;
  response.end(JSON.stringify({ WORD, SECRET, MODE, PORT }));
}).listen(process.env.PORT, '0.0.0.0');
process.on('SIGTERM', () => process.exit(0));
`;

const berthToml = `[processes.web]
port = 7777
memory = "128mb"
[processes.web.health]
path = "/healthz"
grace = "30s"

[processes.worker]
command = "sleep 1000"
quantity = 1
memory = "64mb"

[release]
command = 'echo "migrated with $WORD and \${#SECRET} characters"'

[[cron]]
schedule = "30 3 * * *"
command = "true"

[env]
WORD = "ahoy"
SECRET = { generator = "secret" }
`;

const appJson = {
  env: { MODE: { value: 'demo' } },
  scripts: { postdeploy: 'test "$MODE" = demo && exit 7' },
};

before(async () => {
  platform = await startPlatform();
  app = await makeApp(platform, 'told', {
    ...serverFiles('1'),
    'server.js': server,
    'berth.toml': berthToml,
    'app.json': JSON.stringify(appJson),
  });
});
after(() => platform?.down());

const told = async () =>
  JSON.parse((await app.until(({ status }) => status === 200)).body) as Record<string, string>;
const instances = async () =>
  (await app.json<{ instances: Instance[] }>('ps', '--json')).instances.map(({ name }) => name);

test('one push: release command, health check, port, worker, config vars, postdeploy', async () => {
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  assert.match(pushed.output, /migrated with ahoy and 64 characters/);
  assert.match(pushed.output, /1 regular run: berth cron/);
  assert.match(pushed.output, /postdeploy runs as run\.1: berth logs/);
  const environment = await told();
  assert.match(environment['SECRET'] ?? '', /^[0-9a-f]{64}$/);
  assert.ok(!pushed.output.includes(environment['SECRET'] ?? ''));
  assert.deepEqual({ ...environment, SECRET: '' }, { WORD: 'ahoy', MODE: 'demo', PORT: '7777', SECRET: '' });
  const names = await instances();
  assert.ok(names.includes('web.1') && names.includes('worker.1'), names.join());
  const [entry] = await app.json<CronRun[]>('cron', '--json');
  assert.equal(entry?.schedule, '30 3 * * *');
});

test('the postdeploy script ran in the release, to its end', async () => {
  for (let attempt = 0; ; attempt++) {
    const { instances: all } = await app.json<{ instances: Instance[] }>('ps', '--json');
    const run = all.find(({ name }) => name === 'run.1');
    if (run?.state === 'stopped') {
      assert.match(run.message ?? '', /code 7/);
      return;
    }
    assert.ok(attempt < 100, JSON.stringify(all));
    await sleep(100);
  }
});

test('the next push changes the environment of the file, keeps the secret and what was scaled', async () => {
  const { SECRET } = await told();
  assert.equal((await app.berth('ps:scale', 'worker=0')).exitCode, 0);
  await app.commit({ 'berth.toml': berthToml.replace('"ahoy"', '"again"') });
  const pushed = await app.push();
  assert.equal(pushed.exitCode, 0, pushed.output);
  assert.doesNotMatch(pushed.output, /postdeploy/);
  const now = await told();
  assert.deepEqual([now['WORD'], now['SECRET']], ['again', SECRET]);
  assert.ok(!(await instances()).includes('worker.1'));
});

test('a wrong key rejects the push with its line, and the app serves on', async () => {
  await app.commit({ 'berth.toml': berthToml.replace('quantity', 'quantty') });
  const pushed = await app.push();
  assert.notEqual(pushed.exitCode, 0);
  assert.match(
    pushed.output,
    /berth\.toml line 10: "quantty" is no key of \[processes\.worker\]; did you mean "quantity"\?/,
  );
  assert.equal((await told())['WORD'], 'again');
});
