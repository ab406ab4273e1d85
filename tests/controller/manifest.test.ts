// What a manifest brings into force, over the controller's real API, with real PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Formation } from '@berth/contract/app.ts';
import type { CronRun } from '@berth/contract/cron.ts';
import type { ReleaseManifest } from '@berth/contract/manifest.ts';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { apply, buildResult, deploy, follow, lease, oid, push, state } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
let epoch: number;
let adminId: string;

before(async () => {
  backing = await startBacking(18_450);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
  epoch = await lease(controller.internal);
  adminId = (await db.query<{ id: string }>("SELECT id FROM users WHERE name = 'admin'")).rows[0]?.id ?? '';
});

after(async () => {
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

async function newApp(name: string): Promise<string> {
  return (await controller.api().call<{ id: string }>('POST', '/v1/apps', { body: { name } })).id;
}

const nothing: ReleaseManifest = { formation: {}, healthChecks: {}, stopTimeouts: {}, cron: [], env: {} };

interface Pushed {
  manifest?: Partial<ReleaseManifest>;
  processTypes?: Record<string, string>;
  newVars?: Record<string, string>;
}

/** A push whose build brings the manifest, deployed; returns what the builder was given and what the pusher saw. */
async function pushAll(appId: string, commit: string, { manifest = {}, processTypes, newVars }: Pushed) {
  const made = await push(controller.internal, appId, adminId, commit);
  const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output`);
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [made.pushId]);
  const buildId = rows[0]?.id ?? '';
  const started = await controller.internal.call<{ epoch: number; unsetVars: string[] }>(
    'POST',
    `/internal/builds/${buildId}/start`,
    { body: { worker: 'test' } },
  );
  const result = buildResult({
    manifest: { ...nothing, ...manifest },
    ...(processTypes ? { processTypes } : {}),
  });
  await controller.internal.call('POST', `/internal/builds/${buildId}/finish`, {
    body: { epoch: started.epoch, status: 'succeeded', result, ...(newVars ? { newVars } : {}) },
  });
  await controller.internal.call('POST', `/internal/builds/${buildId}/durable`, {
    body: { epoch: started.epoch },
  });
  await deploy(controller.internal, appId, epoch, 'succeeded');
  const { texts } = await following;
  await controller.internal.call('POST', `/internal/pushes/${made.pushId}/landed`, { body: { ok: true } });
  return { unset: started.unsetVars, texts };
}

const formation = async (name: string) =>
  (await controller.api().call<Formation>('GET', `/v1/apps/${name}/formation`)).entries.map(
    ({ processType, quantity, memoryMb }) => [processType, quantity, memoryMb],
  );
const vars = async (name: string) =>
  (await controller.api().call<{ vars: Record<string, string> }>('GET', `/v1/apps/${name}/config`)).vars;
const cron = async (name: string) =>
  (await controller.api().call<{ entries: CronRun[] }>('GET', `/v1/apps/${name}/cron`)).entries;
const runs = async (appId: string) =>
  (await state(controller.internal, appId)).instances.filter(({ oneOff }) => oneOff);

test('formation and sizes are for process types that appear; what a user has scaled stays', async () => {
  const appId = await newApp('formed');
  const processTypes = { web: 'w', worker: 'k', other: 'o' };
  const manifest = { formation: { web: { quantity: 2, memoryMb: 1024 }, worker: { quantity: 3 } } };
  await pushAll(appId, oid('1'), { processTypes, manifest });
  const first = [
    ['other', 0, 512],
    ['web', 2, 1024],
    ['worker', 3, 512],
  ];
  assert.deepEqual(await formation('formed'), first);
  await controller.api().call('PATCH', '/v1/apps/formed/formation', {
    body: { entries: [{ processType: 'worker', quantity: 0 }] },
  });
  const more = { formation: { ...manifest.formation, late: { quantity: 4 } } };
  await pushAll(appId, oid('2'), { processTypes: { ...processTypes, late: 'l' }, manifest: more });
  assert.deepEqual(await formation('formed'), [['late', 4, 512], first[0], first[1], ['worker', 0, 512]]);
});

test('config vars of a manifest are set with the release that brings them; what a user sets and unsets counts before and after', async () => {
  const appId = await newApp('given');
  await controller.api().call('PATCH', '/v1/apps/given/config', { body: { vars: { MODE: 'mine' } } });
  const newVars = { SECRET: 'generated', MODE: 'theirs', COLOR: 'blue' };
  const { unset } = await pushAll(appId, oid('1'), { newVars });
  assert.deepEqual(unset, []);
  assert.deepEqual(await vars('given'), { MODE: 'mine', SECRET: 'generated', COLOR: 'blue' });
  const { rows } = await db.query<{ n: number }>(
    'SELECT r.config_number AS n FROM releases r JOIN apps a ON a.current_release_id = r.id WHERE a.id = $1',
    [appId],
  );
  assert.equal(rows[0]?.n, 3, 'the release has the version that the manifest made');
  await controller.api().call('PATCH', '/v1/apps/given/config', { body: { vars: { COLOR: null } } });
  await deploy(controller.internal, appId, epoch, 'succeeded');
  const again = await pushAll(appId, oid('2'), { newVars: { COLOR: 'red', SECRET: 'other' } });
  assert.deepEqual(again.unset, ['COLOR']);
  assert.deepEqual(await vars('given'), { MODE: 'mine', SECRET: 'generated' });
  const stored = await db.query<{ text: string }>("SELECT coalesce(result::text, '') AS text FROM builds");
  assert.ok(
    stored.rows.every(({ text }) => !text.includes('generated')),
    'no build keeps a value in the clear',
  );
});

test('a rollback to before a var was given does not keep it from being given again', async () => {
  const appId = await newApp('rolled');
  await pushAll(appId, oid('1'), {});
  await pushAll(appId, oid('2'), { newVars: { SECRET: 'first' } });
  await controller.api().call('POST', '/v1/apps/rolled/rollback', { body: { to: 1 } });
  await deploy(controller.internal, appId, epoch, 'succeeded');
  assert.deepEqual(await vars('rolled'), {});
  await pushAll(appId, oid('3'), { newVars: { SECRET: 'second' } });
  assert.deepEqual(await vars('rolled'), { SECRET: 'second' });
});

test('a postdeploy script runs once, after the first deployment; the other after each push', async () => {
  const appId = await newApp('seeded');
  const manifest = { postdeploy: { first: 'rake db:seed', each: 'notify' } };
  const { texts } = await pushAll(appId, oid('1'), { manifest });
  assert.ok(texts.includes('       postdeploy runs as run.1: berth logs'));
  assert.deepEqual(
    (await runs(appId)).map(({ slot }) => slot),
    [1, 2],
  );
  const { rows } = await db.query<{ command: string[]; terminal: unknown }>(
    'SELECT command, terminal FROM instances WHERE app_id = $1 ORDER BY slot',
    [appId],
  );
  assert.deepEqual(rows, [
    { command: ['/bin/sh', '-c', 'exec rake db:seed'], terminal: null },
    { command: ['/bin/sh', '-c', 'exec notify'], terminal: null },
  ]);
  await pushAll(appId, oid('2'), { manifest });
  assert.equal((await runs(appId)).length, 3);
  await controller.api().call('PATCH', '/v1/apps/seeded/config', { body: { vars: { A: '1' } } });
  await deploy(controller.internal, appId, epoch, 'succeeded');
  assert.equal((await runs(appId)).length, 3, 'a config change is no push');
});

async function makeDue(appId: string, ago: string): Promise<void> {
  await db.query('UPDATE cron_entries SET next_at = now() - $2::interval WHERE app_id = $1', [appId, ago]);
}

async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; !(await check()); attempt++) {
    // The clock ticks every 2 s; a loaded machine may need some of them.
    assert.ok(attempt < 150, what);
    await sleep(100);
  }
}

test('a regular run starts at its minute, one at a time, and never for a minute long past', async () => {
  const appId = await newApp('regular');
  const entry = { schedule: '0 3 * * *', command: 'tidy --all', memoryMb: 256 };
  const { texts } = await pushAll(appId, oid('1'), { manifest: { cron: [entry] } });
  assert.ok(texts.includes('       1 regular run: berth cron'));
  const [before] = await cron('regular');
  assert.deepEqual([before?.schedule, before?.last, before?.note], ['0 3 * * *', null, null]);
  assert.match(before?.nextAt ?? '', /T03:00:00/);

  await makeDue(appId, '10 seconds');
  await until(async () => (await runs(appId)).length === 1, 'it starts');
  const [run] = await runs(appId);
  assert.deepEqual([run?.processType, run?.memoryMb, run?.hostId], ['run', 256, null]);
  const [started] = await cron('regular');
  assert.deepEqual([started?.last?.name, started?.last?.running], ['run.1', true]);
  assert.match(started?.nextAt ?? '', /T03:00:00/);

  await makeDue(appId, '1 second');
  await until(async () => (await cron('regular'))[0]?.note !== null, 'the second is left out');
  assert.match((await cron('regular'))[0]?.note ?? '', /left out: run.1 had not ended/);
  assert.equal((await runs(appId)).length, 1);

  await db.query("UPDATE instances SET state = 'stopped', exit_code = 3 WHERE app_id = $1", [appId]);
  await apply(controller.internal, appId, epoch, () => [{ kind: 'forget', instanceIds: [run?.id ?? ''] }]);
  assert.equal((await cron('regular'))[0]?.last?.exitCode, 3, 'the result outlives the row of the run');

  await makeDue(appId, '10 minutes');
  await until(async () => /the platform was away/.test((await cron('regular'))[0]?.note ?? ''), 'too late');
  assert.equal((await runs(appId)).length, 0);
});

test('a controller that was killed runs what became due meanwhile, once', async () => {
  const appId = await newApp('patient');
  await pushAll(appId, oid('1'), { manifest: { cron: [{ schedule: '@yearly', command: 'x' }] } });
  await controller.kill('SIGKILL');
  await makeDue(appId, '5 seconds');
  controller = await startController(backing);
  await until(async () => (await runs(appId)).length > 0, 'it starts');
  const [entry] = await cron('patient');
  assert.ok(Date.parse(entry?.nextAt ?? '') > Date.now(), 'its next minute moved on with the run');
  assert.equal((await runs(appId)).length, 1);
});

test('entries follow the current release', async () => {
  const appId = await newApp('changing');
  const stays = { schedule: '@daily', command: 'stays' };
  await pushAll(appId, oid('1'), { manifest: { cron: [stays, { schedule: '@hourly', command: 'goes' }] } });
  await db.query("UPDATE cron_entries SET last_name = 'run.9', last_at = now() WHERE app_id = $1", [appId]);
  await pushAll(appId, oid('2'), { manifest: { cron: [{ schedule: '@hourly', command: 'new' }, stays] } });
  const after = await cron('changing');
  assert.deepEqual(
    after.map(({ command, last }) => [command, last?.name]),
    [
      ['new', undefined],
      ['stays', 'run.9'],
    ],
  );
  await controller.api().call('POST', '/v1/apps/changing/rollback', { body: { to: 1 } });
  await deploy(controller.internal, appId, epoch, 'succeeded');
  assert.deepEqual(
    (await cron('changing')).map(({ command }) => command),
    ['stays', 'goes'],
  );
});
