// Buildpacks and stack of an app over the controller's real API: checked, recorded, given to the next build, never a release.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Build, StartedBuild } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import { build, oid, push } from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
let appId: string;
let adminId: string;

before(async () => {
  backing = await startBacking(18_460);
  controller = await startController(backing);
  db = openDatabase(backing.databaseUrl);
  adminId = (await db.query<{ id: string }>("SELECT id FROM users WHERE name = 'admin'")).rows[0]?.id ?? '';
  appId = (await controller.api().call<{ id: string }>('POST', '/v1/apps', { body: { name: 'hello' } })).id;
});
after(async () => {
  await db?.close();
  await controller?.kill('SIGTERM');
  await backing?.stop();
});

const put = <T>(what: string, body: object) =>
  controller.api().call<T>('PUT', `/v1/apps/hello/${what}`, { body });
const get = <T>(what: string) => controller.api().call<T>('GET', `/v1/apps/hello/${what}`);
const refusal = async (what: string, body: object): Promise<[string, string, string | undefined]> => {
  try {
    await put(what, body);
  } catch (error) {
    if (error instanceof AppError) return [error.code, error.message, error.hint];
  }
  throw new Error('it was not refused');
};

test('buildpacks are kept in order, each change is an event, none makes a release', async () => {
  assert.deepEqual(await get('buildpacks'), { buildpacks: [] });
  const list = ['heroku/nodejs', 'https://git.example.org/pack.git#v2', './packs/mine'];
  assert.deepEqual(await put('buildpacks', { buildpacks: list }), { buildpacks: list });
  assert.deepEqual(await put('buildpacks', { buildpacks: list }), { buildpacks: list });
  assert.deepEqual(await get('buildpacks'), { buildpacks: list });
  const { rows } = await db.query<{ data: object }>(
    "SELECT data FROM events WHERE app_id = $1 AND kind = 'buildpacks.change'",
    [appId],
  );
  assert.deepEqual(
    rows.map(({ data }) => data),
    [{ from: [], to: list }],
  );
  assert.deepEqual(await get('releases'), { releases: [] });
});

test('a list that somebody else has changed meanwhile is not overwritten', async () => {
  await put('buildpacks', { buildpacks: ['node'] });
  assert.equal((await refusal('buildpacks', { buildpacks: ['go'], replaces: [] }))[0], 'conflict');
  await put('buildpacks', { buildpacks: ['python'], replaces: ['node'] });
});

test('what cannot be a buildpack is refused with what to write', async () => {
  for (const [entry, message, hint] of [
    ['pyhton', '"pyhton" is neither a known buildpack, nor a URL, nor a folder', 'did you mean "python"?'],
    ['git@github.com:a/b.git', 'use its https:// URL', 'names are: node'],
    ['https://a:s3cret@example.org/b.git', '"https://…@example.org/b.git" has a login in it', ''],
    ['file:///root', 'is not an https://', ''],
  ] as const) {
    const [code, said, told] = await refusal('buildpacks', { buildpacks: [entry] });
    assert.equal(code, 'invalid');
    assert.ok(said.includes(message), said);
    assert.ok((told ?? '').includes(hint), told);
  }
  assert.match(
    (await refusal('buildpacks', { buildpacks: ['node', 'heroku/nodejs'] }))[1],
    /"heroku\/nodejs" is in the list already/,
  );
  const many = Array.from({ length: 21 }, (_, index) => `./p/${index}`);
  assert.match((await refusal('buildpacks', { buildpacks: many }))[1], /at most 20/);
});

test('a stack is a known name or a Cloud Native builder', async () => {
  const available = ['debian-13'];
  assert.deepEqual(await get('stack'), { stack: null, default: 'debian-13', available });
  const builder = 'cnb:registry.example.org:5000/team/builder:24';
  assert.deepEqual(await put('stack', { stack: builder }), {
    stack: builder,
    default: 'debian-13',
    available,
  });
  for (const [stack, message, hint] of [
    ['debian-12', 'there is no stack "debian-12"', 'did you mean "debian-13"?'],
    ['heroku-24', 'there is no stack "heroku-24"', 'there are: debian-13, or cnb:IMAGE'],
    ['container', 'there is no stack "container" here', 'a Dockerfile at the root is built as it is'],
    ['cnb:Not An Image', '"Not An Image" is not the reference of an image', 'cnb:heroku/builder:24'],
  ] as const) {
    const [code, said, told] = await refusal('stack', { stack });
    assert.deepEqual([code, said], ['invalid', message]);
    assert.ok(told?.includes(hint), told);
  }
});

test('the next build is given the settings as they were when it was pushed', async () => {
  await put('buildpacks', { buildpacks: ['node', 'python'] });
  await put('stack', { stack: 'cnb:heroku/builder:24' });
  const made = await push(controller.internal, appId, adminId, oid('1'));
  await put('buildpacks', { buildpacks: [] });
  await put('stack', { stack: null });
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [made.pushId]);
  const body = { worker: 'test' };
  const started = await controller.internal.call<StartedBuild>(
    'POST',
    `/internal/builds/${rows[0]?.id}/start`,
    { body },
  );
  assert.deepEqual(started.settings, { buildpacks: ['node', 'python'], stack: 'cnb:heroku/builder:24' });
});

test('a build shows what made it, what was detected and what its layers weigh; of a reused image none was made', async () => {
  const made = await push(controller.internal, appId, adminId, oid('2'));
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [made.pushId]);
  const layer = { name: 'source', diffId: oid('9'), sizeBytes: 12, cached: false, seconds: 0.2 };
  const layers = [{ name: 'stack', diffId: oid('8'), sizeBytes: 30, cached: true }, layer];
  const details = ['Node.js 24.21.0'];
  await build(controller.internal, rows[0]?.id ?? '', { layers, details, reused: true });
  const shown = await get<Build>(`builds/${made.buildNumber}`);
  assert.deepEqual(
    [shown.trigger, shown.detected?.why, shown.details, shown.sizeBytes, shown.release, shown.noCache],
    ['push', 'package.json at the root', details, 42, 1, false],
  );
  assert.deepEqual(shown.layers[1], { name: 'source', diffId: oid('9'), sizeBytes: 12, cached: true });
  assert.ok(shown.startedAt !== null && shown.startedAt >= shown.createdAt);
});
