// A rebase is a build without a push that makes a release: what the builder is given, what the release says, and when it is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Build, StartedBuild } from '@berth/contract/build.ts';
import type { Release } from '@berth/contract/release.ts';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { build, buildResult, deploy, image, lease, oid, push } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
const newImage = `sha256:${'b'.repeat(64)}`;

before(async () => {
  backing = await startBacking(18_437);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
});

after(async () => {
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

test('the current image goes to the builder, and what comes back is a release of its own', async () => {
  const { api, internal } = controller;
  const { id } = await api().call<{ id: string }>('POST', '/v1/apps', { body: { name: 'rebased' } });
  await assert.rejects(api().call('POST', '/v1/apps/rebased/rebase'), /has no release to rebase/);
  const { rows: users } = await db.query<{ id: string }>('SELECT id FROM users');
  const pushed = await push(internal, id, users[0]?.id ?? '', oid('1'));
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [
    pushed.pushId,
  ]);
  await build(internal, rows[0]?.id ?? '');
  await deploy(internal, id, await lease(internal), 'succeeded');

  const queued = await api().call<Build>('POST', '/v1/apps/rebased/rebase');
  assert.deepEqual([queued.number, queued.trigger, queued.status], [2, 'rebase', 'pending']);
  await assert.rejects(api().call('POST', '/v1/apps/rebased/rebase'), /build 2 of "rebased" is under way/);
  const { rows: made } = await db.query<{ id: string }>('SELECT id FROM builds WHERE number = 2');
  const buildId = made[0]?.id ?? '';
  const started = await internal.call<StartedBuild>('POST', `/internal/builds/${buildId}/start`, {
    body: { worker: 'test' },
  });
  assert.equal(started.rebase?.result.image, image);
  const result = { ...buildResult(), image: newImage, rebasedOnto: 'berth/stack:13-0123456789ab' };
  await internal.call('POST', `/internal/builds/${buildId}/finish`, {
    body: { epoch: started.epoch, status: 'succeeded', result },
  });
  const { releases } = await api().call<{ releases: Release[] }>('GET', '/v1/apps/rebased/releases');
  assert.equal(releases[0]?.number, 2);
  assert.equal(releases[0]?.description, 'rebase onto berth/stack:13-0123456789ab');
});
