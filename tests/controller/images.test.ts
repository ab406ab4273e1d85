// Which images the engine is told to keep.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { build, deploy, image, lease, oid, push } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;

before(async () => {
  backing = await startBacking(18_412);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
});

after(async () => {
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

test('images of releases that can still be used are kept, those of destroyed apps are not', async () => {
  const { api, internal } = controller;
  const { id } = await api().call<{ id: string }>('POST', '/v1/apps', { body: { name: 'images' } });
  const { rows: users } = await db.query<{ id: string }>('SELECT id FROM users');
  const pushed = await push(internal, id, users[0]?.id ?? '', oid('1'));
  const { rows: builds } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [
    pushed.pushId,
  ]);
  await build(internal, builds[0]?.id ?? '');
  await deploy(internal, id, await lease(internal), 'succeeded');
  const kept = async () => (await internal.call<{ images: string[] }>('GET', '/internal/images')).images;
  await db.query("UPDATE builds SET finished_at = now() - interval '2 hours'");
  assert.deepEqual(await kept(), [image]);
  await api().call('DELETE', '/v1/apps/images', { body: { confirm: 'images' } });
  assert.deepEqual(await kept(), []);
});
