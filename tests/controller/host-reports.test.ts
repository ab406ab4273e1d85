// What a host agent reports reaches the rows, the scheduler and the app's log, over the controller's real API with a real PostgreSQL.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { apply, build, deploy, lease, oid, push } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
let epoch: number;

before(async () => {
  backing = await startBacking(18_440);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
  epoch = await lease(controller.internal);
});

after(async () => {
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

async function releasedApp(name: string): Promise<string> {
  const { id } = await controller.api().call<{ id: string }>('POST', '/v1/apps', { body: { name } });
  const users = await db.query<{ id: string }>("SELECT id FROM users WHERE name = 'admin'");
  const { pushId } = await push(controller.internal, id, users.rows[0]?.id ?? '', oid('1'));
  const builds = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [pushId]);
  await build(controller.internal, builds.rows[0]?.id ?? '');
  await deploy(controller.internal, id, epoch, 'succeeded');
  return id;
}

function observed(id: string) {
  const nothing = { exitCode: null, message: null, fatal: null, tail: null };
  return { id, state: 'ready', address: '10.0.0.2', port: 5000, container: 'c', restarts: 0, ...nothing };
}

test('a report of a host waits for a plan that is carried out; the crash that it tells is a line of the log', async () => {
  const appId = await releasedApp('at-once');
  const { hostId } = await controller.internal.call<{ hostId: string }>('POST', '/internal/hosts/register', {
    body: { name: 'h1', session: 's1', memoryMb: 1000, cpus: 1, agentSocket: '/nowhere' },
  });
  const process = { kind: 'create' as const, processType: 'web', slot: 1, oneOff: false, hostId };
  await apply(controller.internal, appId, epoch, (now) => [
    { ...process, releaseId: now.currentReleaseId ?? '', gen: now.currentGen },
  ]);
  const { rows } = await db.query<{ id: string }>('SELECT id FROM instances WHERE app_id = $1', [appId]);
  const id = rows[0]?.id ?? '';
  let report: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await tx.query('SELECT 1 FROM apps WHERE id = $1 FOR UPDATE', [appId]); // as every plan does first
    report = controller.internal.call('POST', `/internal/hosts/${hostId}/observed`, {
      body: { session: 's1', full: false, instances: [observed(id)] },
    });
    report.catch(() => {});
    await sleep(300);
    await tx.query("UPDATE instances SET desired = 'stopped' WHERE id = $1", [id]);
  });
  await report;
  const after = await db.query('SELECT state, desired FROM instances WHERE id = $1', [id]);
  assert.deepEqual(after.rows, [{ state: 'ready', desired: 'stopped' }]);

  const following = new AbortController();
  const followed: string[] = [];
  const tail = (async () => {
    const lines = controller.api().lines('GET', '/v1/apps/at-once/logs?follow=1&lines=0', {
      signal: following.signal,
    });
    for await (const line of lines) followed.push((line as { message: string }).message);
  })().catch(() => {});
  await sleep(200);
  const killed = { ...observed(id), state: 'crashed', message: 'was killed: out of memory (512 MB)' };
  await controller.internal.call('POST', `/internal/hosts/${hostId}/observed`, {
    body: { session: 's1', full: false, instances: [killed] },
  });
  assert.deepEqual(await logOf('at-once', 'web'), [['berth', 'web.1', 'was killed: out of memory (512 MB)']]);
  assert.deepEqual(await logOf('at-once', 'worker'), []);
  for (let i = 0; i < 40 && followed.length === 0; i++) await sleep(50);
  following.abort();
  await tail;
  assert.deepEqual(followed, ['was killed: out of memory (512 MB)']);
});

async function logOf(app: string, process: string): Promise<[string, string, string][]> {
  const lines: [string, string, string][] = [];
  for await (const raw of controller.api().lines('GET', `/v1/apps/${app}/logs?process=${process}`)) {
    const line = raw as { source: string; process: string; message: string };
    lines.push([line.source, line.process, line.message]);
  }
  return lines;
}
