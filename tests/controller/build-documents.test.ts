// SBOM and provenance of a build through the API: passed on from the engine, of builds of the user's own apps alone.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { build, image, oid, push } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
let engine: Server;
const asked: string[] = [];
const sbom = JSON.stringify({ bomFormat: 'CycloneDX', components: [] });

before(async () => {
  backing = await startBacking(18_467);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
  engine = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const hasIt = request.url?.includes('cyclonedx') === true;
    response.writeHead(hasIt ? 200 : 404, { 'content-type': 'application/vnd.cyclonedx+json' });
    response.end(hasIt ? sbom : '{"message":"none"}');
  });
  const { engineSocket } = backing.platform;
  mkdirSync(dirname(engineSocket), { recursive: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  engine.listen(engineSocket, resolve);
  await promise;
});

after(async () => {
  engine?.close();
  engine?.closeAllConnections();
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

test('a document is passed on; what is not there is said', async () => {
  const { api, internal } = controller;
  const { id } = await api().call<{ id: string }>('POST', '/v1/apps', { body: { name: 'shop' } });
  const { rows: users } = await db.query<{ id: string }>('SELECT id FROM users');
  const pushed = await push(internal, id, users[0]?.id ?? '', oid('1'));
  const path = '/v1/apps/shop/builds/1';
  await assert.rejects(api().call('GET', `${path}/sbom`), /build 1 has no image/);
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [
    pushed.pushId,
  ]);
  await build(internal, rows[0]?.id ?? '');
  assert.deepEqual(await api().call('GET', `${path}/sbom`), JSON.parse(sbom));
  await assert.rejects(api().call('GET', `${path}/provenance`), /build 1 has no provenance/);
  await assert.rejects(api().call('GET', '/v1/apps/shop/builds/9/sbom'), /there is no build 9/);
  await assert.rejects(api().call('GET', '/v1/apps/another/builds/1/sbom'), { code: 'not_found' });
  assert.deepEqual(asked, [
    `GET /berth/images/${image}/referrers/document?artifactType=application%2Fvnd.cyclonedx%2Bjson`,
    `GET /berth/images/${image}/referrers/document?artifactType=application%2Fvnd.in-toto%2Bjson`,
  ]);
});
