// What the commands print and exit with, against a fake API.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { AppError } from '@berth/kit/errors.ts';
import { app, CliFixture, release } from './cli-fixture.ts';
import { lines } from './fake-api.ts';

let fixture: CliFixture;
before(async () => {
  fixture = await CliFixture.start();
  await fixture.login();
  await fixture.git(['init', '-q', '-b', 'main']);
  await fixture.git(['remote', 'add', 'berth', `${fixture.api.url}/hello.git`]);
});
after(() => fixture.close());
beforeEach(() => {
  fixture.api.routes.clear();
  fixture.api.asked.length = 0;
});

const live = (number: number) => ({
  end: true,
  ok: true,
  code: 'ok',
  message: 'live',
  release: number,
  url: null,
});

test('lists are aligned text in a pipe and JSON with --json', async () => {
  fixture.api.routes.set('GET /v1/apps', () => ({ apps: [app, { ...app, name: 'b2', release: null }] }));
  const plain = await fixture.berth(['apps']);
  assert.equal(
    plain.stdout,
    [
      'NAME   RELEASE  URL                          OWNER  CREATED',
      'hello  v3       http://hello.localhost:8080  ada    2026-01-02T03:04:05.000Z',
      'b2     -        http://hello.localhost:8080  ada    2026-01-02T03:04:05.000Z',
      '',
    ].join('\n'),
  );
  const json: unknown = JSON.parse((await fixture.berth(['apps', '--json'])).stdout);
  assert.deepEqual(json, [app, { ...app, name: 'b2', release: null }]);
});

test('config:set and config set print the release they made, in one line when it is quick', async () => {
  fixture.api.routes.set('PATCH /v1/apps/hello/config', () => ({ release: release(4), version: 2 }));
  fixture.api.routes.set('GET /v1/apps/hello/releases/4/output', (_asked, response) =>
    lines(response, [{ seq: 1, text: '-----> Starting web.1' }, live(4)]),
  );
  for (const words of [['config:set'], ['config', 'set']]) {
    const ran = await fixture.berth([...words, 'A=1', 'B=x=y']);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stderr, 'Setting A, B and restarting hello… ');
    assert.equal(ran.stdout, 'done, v4\n');
    const patch = fixture.api.asked.find(({ method }) => method === 'PATCH');
    assert.deepEqual(patch?.body, { vars: { A: '1', B: 'x=y' } });
  }
  await fixture.berth(['config:set', 'KEY=-'], { input: 'from stdin\n' });
  assert.deepEqual(fixture.api.asked.findLast(({ method }) => method === 'PATCH')?.body, {
    vars: { KEY: 'from stdin' },
  });
});

test('a release that fails shows what the platform said and the reason, and exits with 1', async () => {
  fixture.api.routes.set('PATCH /v1/apps/hello/config', () => ({ release: release(5), version: 3 }));
  fixture.api.routes.set('GET /v1/apps/hello/releases/5/output', (_asked, response) =>
    lines(response, [
      { seq: 1, text: '-----> Starting web.1' },
      {
        end: true,
        ok: false,
        code: 'deploy_failed',
        message: 'web.1 crashed',
        hint: 'berth logs',
        release: 5,
        url: null,
      },
    ]),
  );
  const ran = await fixture.berth(['config:unset', 'A']);
  assert.equal(ran.code, 1);
  assert.equal(
    ran.stderr,
    'Unsetting A and restarting hello… \n-----> Starting web.1\nfailed\n !     web.1 crashed\n !     berth logs\n',
  );
});

test('a config var of an app without a release makes none', async () => {
  fixture.api.routes.set('PATCH /v1/apps/hello/config', () => ({ release: null, version: 1 }));
  assert.equal((await fixture.berth(['config:set', 'A=1'])).stdout, 'Setting A on hello… done\n');
});

test('a config key that is no shell identifier is refused before anything is sent', async () => {
  const ran = await fixture.berth(['config:set', '1A=x']);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /"1A" cannot name a config var/);
  assert.equal(fixture.api.asked.length, 0);
});

test('rollback prints the release it made and where it points', async () => {
  fixture.api.routes.set('POST /v1/apps/hello/rollback', () => ({
    release: release(6, { description: 'rollback to v3' }),
  }));
  fixture.api.routes.set('GET /v1/apps/hello/releases/6/output', (_asked, response) =>
    lines(response, [live(6)]),
  );
  const ran = await fixture.berth(['rollback', 'v3']);
  assert.equal(ran.stderr + ran.stdout, 'Rolling hello back to v3… done, v6\n');
  assert.deepEqual(fixture.api.asked[0]?.body, { to: 3 });
});

test('ps:scale sets, adds and takes away', async () => {
  const entry = { processType: 'web', command: 'node .', quantity: 2, memoryMb: 512 };
  fixture.api.routes.set('GET /v1/apps/hello/formation', () => ({ entries: [entry] }));
  fixture.api.routes.set('PATCH /v1/apps/hello/formation', () => ({ entries: [{ ...entry, quantity: 3 }] }));
  assert.equal((await fixture.berth(['ps:scale'])).stdout, 'web=2\n');
  const ran = await fixture.berth(['scale', 'web+1', 'worker=1:1G']);
  assert.equal(ran.stdout, 'Scaling hello… done: web=3\n');
  assert.deepEqual(fixture.api.asked.at(-1)?.body, {
    entries: [
      { processType: 'web', quantity: 3 },
      { processType: 'worker', quantity: 1, memoryMb: 1024 },
    ],
  });
});

test('ps shows what should run and what does', async () => {
  const entry = { processType: 'web', command: 'node .', quantity: 1, memoryMb: 512 };
  fixture.api.routes.set('GET /v1/apps/hello/formation', () => ({ entries: [entry] }));
  fixture.api.routes.set('GET /v1/apps/hello/instances', () => ({
    instances: [
      {
        id: 'i1',
        name: 'web.1',
        processType: 'web',
        slot: 1,
        release: 3,
        state: 'ready',
        stopping: false,
        host: 'one',
        restarts: 0,
        message: null,
        since: '2026-01-02T03:04:05.000Z',
      },
    ],
  }));
  assert.equal(
    (await fixture.berth(['ps'])).stdout,
    [
      'web=1 (512 MB)  node .',
      '',
      'NAME   STATE  RELEASE  SINCE                     RESTARTS  HOST  MESSAGE',
      'web.1  ready  v3       2026-01-02T03:04:05.000Z  0         one',
      '',
    ].join('\n'),
  );
});

test('logs pass the number and the process on, and follow through a break', async () => {
  let calls = 0;
  const line = (message: string) => ({
    time: '2026-01-02T03:04:05.000Z',
    source: 'app',
    process: 'web.1',
    message,
  });
  fixture.api.routes.set('GET /v1/apps/hello/logs', (asked, response) => {
    calls++;
    if (calls === 3) throw new AppError('not_found', 'there is no app "hello"');
    lines(response, [line(`${calls} ${asked.path.split('?')[1]}`)]);
  });
  const ran = await fixture.berth(['logs', '-t', '-n', '5', '-p', 'web']);
  assert.equal(
    ran.stdout,
    [
      '2026-01-02T03:04:05.000Z app[web.1]: 1 lines=5&process=web&follow=1',
      '2026-01-02T03:04:05.000Z app[web.1]: 2 lines=0&process=web&follow=1',
      '',
    ].join('\n'),
  );
  assert.equal(ran.code, 4);
});

test('exit codes tell the class of error', async () => {
  for (const [code, expected] of [
    ['forbidden', 3],
    ['not_found', 4],
    ['conflict', 5],
    ['internal', 1],
    ['invalid', 2],
  ] as const) {
    fixture.api.routes.set('GET /v1/apps/hello', () => {
      throw new AppError(code, 'no');
    });
    assert.equal((await fixture.berth(['apps:info'])).code, expected, code);
  }
  const dead = await fixture.berth(['apps'], {
    env: { BERTH_SERVER: 'http://127.0.0.1:1', BERTH_TOKEN: 'x' },
  });
  assert.equal(dead.code, 6);
  assert.match(dead.stderr, /cannot reach http:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)/);
});

test('a mistyped command or option gets a suggestion', async () => {
  const command = await fixture.berth(['confg:set', 'A=1']);
  assert.equal(command.code, 2);
  assert.match(command.stderr, /"confg:set" is not a berth command\n ! {5}did you mean "berth config:set"\?/);
  const option = await fixture.berth(['logs', '--tial']);
  assert.equal(option.code, 2);
  assert.match(option.stderr, /"--tial" is not an option here; did you mean "--tail"\?/);
});

test('outside of an app folder a command asks which app', async () => {
  const ran = await fixture.berth(['ps'], { cwd: fixture.home });
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /which app\?/);
});

test('destroy wants the name again', async () => {
  fixture.api.routes.set('DELETE /v1/apps/hello', () => ({}));
  const refused = await fixture.berth(['apps:destroy', '-a', 'hello']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /berth apps:destroy --confirm hello/);
  const done = await fixture.berth(['apps:destroy', '--confirm', 'hello']);
  assert.equal(done.stdout, 'Destroyed hello\n');
  assert.deepEqual(fixture.api.asked, [
    { method: 'DELETE', path: '/v1/apps/hello', body: { confirm: 'hello' } },
  ]);
});

test('every command has help with an example', async () => {
  const { commandTable } = await import('@berth/cli/command-table.ts');
  for (const [name, load] of commandTable) {
    const command = await load();
    assert.match(command.example, /berth/, name);
    assert.notEqual(command.summary, '', name);
  }
  const help = await fixture.berth(['config:set', '--help']);
  assert.match(help.stdout, /^berth config:set KEY=VALUE/);
  assert.match(help.stdout, /example\n {2}berth config:set/);
});

test('a read on loopback takes under 150 ms', async () => {
  fixture.api.routes.set('GET /v1/apps', () => ({ apps: [app] }));
  const times: number[] = [];
  for (let round = 0; round < 7; round++) times.push((await fixture.berth(['apps'])).ms);
  assert.ok(Math.min(...times) < 150, `took ${times.map(Math.round).join(', ')} ms`);
});
