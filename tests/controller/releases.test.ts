// Releases, pushes and deployments over the controller's real API, with real PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Database, openDatabase } from '@berth/store/database.ts';
import {
  type Backing,
  type RunningController,
  startBacking,
  startController,
} from '../helpers/backing-services.ts';
import {
  apply,
  build,
  buildResult,
  deploy,
  follow,
  lease,
  oid,
  push,
  state,
  takeBuild,
} from './fake-parts.ts';

let backing: Backing;
let controller: RunningController;
let db: Database;
let epoch: number;
let adminId: string;

before(async () => {
  backing = await startBacking(18_410);
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

async function buildIdOf(pushId: string): Promise<string> {
  const { rows } = await db.query<{ id: string }>('SELECT id FROM builds WHERE push_id = $1', [pushId]);
  return rows[0]?.id ?? '';
}

/** A push that goes all the way; returns what its follower saw. */
async function pushAll(appId: string, commit: string, outcome: 'succeeded' | 'failed' = 'succeeded') {
  const made = await push(controller.internal, appId, adminId, commit);
  const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output`);
  await build(controller.internal, await buildIdOf(made.pushId));
  await deploy(controller.internal, appId, epoch, outcome);
  const seen = await following;
  await controller.internal.call('POST', `/internal/pushes/${made.pushId}/landed`, { body: { ok: true } });
  return seen;
}

async function numbers(name: string): Promise<[number, string, boolean][]> {
  const { releases } = await controller
    .api()
    .call<{ releases: { number: number; status: string; current: boolean }[] }>(
      'GET',
      `/v1/apps/${name}/releases`,
    );
  return releases.map((release) => [release.number, release.status, release.current]);
}

describe('a push', () => {
  test('becomes v1, tells its follower every line in order and ends with the release and its address', async () => {
    const appId = await newApp('first-push');
    const made = await push(controller.internal, appId, adminId, oid('1'));
    const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output`);
    const buildId = await buildIdOf(made.pushId);
    const buildEpoch = await takeBuild(controller.internal, buildId);
    for (const text of ['-----> one\n       two é\n', '-----> three\n'])
      await controller.internal.call('POST', `/internal/builds/${buildId}/output`, {
        body: { epoch: buildEpoch, text },
      });
    await controller.internal.call('POST', `/internal/builds/${buildId}/finish`, {
      body: { epoch: buildEpoch, status: 'succeeded', result: buildResult() },
    });
    await deploy(controller.internal, appId, epoch, 'succeeded');
    let isAnswered = false;
    void following.then(() => (isAnswered = true));
    await sleep(300);
    assert.equal(isAnswered, false, 'not acknowledged before the image is on disk');
    await controller.internal.call('POST', `/internal/builds/${buildId}/durable`, {
      body: { epoch: buildEpoch },
    });
    const { texts, end } = await following;
    assert.deepEqual(texts, [
      '-----> one',
      '       two é',
      '-----> three',
      '-----> Released v1',
      '       http://first-push.localhost:8080',
    ]);
    assert.deepEqual(end, {
      end: true,
      ok: true,
      code: 'ok',
      message: 'v1 is live',
      release: 1,
      url: 'http://first-push.localhost:8080',
    });
  });

  test('that fails to build makes no release and says why', async () => {
    const appId = await newApp('bad-build');
    const made = await push(controller.internal, appId, adminId, oid('1'));
    const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output`);
    const buildId = await buildIdOf(made.pushId);
    const buildEpoch = await takeBuild(controller.internal, buildId);
    await controller.internal.call('POST', `/internal/builds/${buildId}/finish`, {
      body: { epoch: buildEpoch, status: 'failed', error: 'npm ci failed', hint: 'run npm install' },
    });
    const { end } = await following;
    assert.deepEqual(end, {
      end: true,
      ok: false,
      code: 'build_failed',
      message: 'npm ci failed',
      hint: 'run npm install',
      release: null,
      url: null,
    });
    assert.deepEqual(await numbers('bad-build'), []);
  });

  test('that fails to start leaves the old release current and takes a number', async () => {
    const appId = await newApp('bad-start');
    await pushAll(appId, oid('1'));
    const { end } = await pushAll(appId, oid('2'), 'failed');
    assert.equal(end.ok, false);
    assert.equal(end.message, 'web.1 exited with code 1');
    await pushAll(appId, oid('3'));
    assert.deepEqual(await numbers('bad-start'), [
      [3, 'succeeded', true],
      [2, 'failed', false],
      [1, 'succeeded', false],
    ]);
  });

  test('supersedes one that is still building, and the first pusher is told by whom', async () => {
    const appId = await newApp('two-pushes');
    const first = await push(controller.internal, appId, adminId, oid('1'));
    const following = follow(controller.internal, `/internal/pushes/${first.pushId}/output`);
    const firstBuild = await buildIdOf(first.pushId);
    const firstEpoch = await takeBuild(controller.internal, firstBuild);
    await push(controller.internal, appId, adminId, oid('2'));
    const { end } = await following;
    assert.equal(end.code, 'superseded');
    assert.equal(end.message, 'superseded by a newer push (2222222)');
    const answer = await controller.internal.call<{ canceled: boolean }>(
      'POST',
      `/internal/builds/${firstBuild}/output`,
      {
        body: { epoch: firstEpoch, text: '' },
      },
    );
    assert.equal(answer.canceled, true, 'the builder is told to stop');
    await assert.rejects(
      controller.internal.call('POST', `/internal/builds/${firstBuild}/finish`, {
        body: { epoch: firstEpoch, status: 'succeeded', result: buildResult() },
      }),
      { code: 'stale_epoch' },
    );
  });

  test('waits for an earlier one that is being deployed', async () => {
    const appId = await newApp('waits');
    const first = await push(controller.internal, appId, adminId, oid('1'));
    const following = follow(controller.internal, `/internal/pushes/${first.pushId}/output`);
    await build(controller.internal, await buildIdOf(first.pushId));
    let isAnswered = false;
    const second = push(controller.internal, appId, adminId, oid('2')).then((made) => {
      isAnswered = true;
      return made;
    });
    await sleep(300);
    assert.equal(isAnswered, false);
    await deploy(controller.internal, appId, epoch, 'succeeded');
    assert.equal((await following).end.ok, true);
    await controller.internal.call('POST', `/internal/pushes/${first.pushId}/landed`, { body: { ok: true } });
    // the branch has moved meanwhile: a build that began now could be live before git refuses the push
    assert.deepEqual(await second, { waited: true });
    const { rows } = await db.query('SELECT number FROM builds WHERE app_id = $1', [appId]);
    assert.deepEqual(rows, [{ number: 1 }]);
    assert.equal((await push(controller.internal, appId, adminId, oid('2'), oid('1'))).buildNumber, 2);
  });

  test('whose pusher goes away is abandoned and its build canceled', async () => {
    const appId = await newApp('gone');
    const made = await push(controller.internal, appId, adminId, oid('1'));
    const leaving = new AbortController();
    const lines = controller.internal.lines('GET', `/internal/pushes/${made.pushId}/output`, {
      signal: leaving.signal,
    });
    const reading = lines.next().catch(() => undefined);
    await sleep(200);
    leaving.abort();
    await reading;
    for (let i = 0; i < 60; i++) {
      const { rows } = await db.query<{ status: string; build: string }>(
        'SELECT p.status, b.status AS build FROM pushes p JOIN builds b ON b.push_id = p.id WHERE p.id = $1',
        [made.pushId],
      );
      if (rows[0]?.status === 'abandoned') return assert.equal(rows[0].build, 'canceled');
      await sleep(100);
    }
    assert.fail('the push was not abandoned in 6 s');
  });
});

describe('release numbers', () => {
  test('have no gap when many changes come at once and some of them fail', async () => {
    const appId = await newApp('crowd');
    await pushAll(appId, oid('1'));
    const api = controller.api();
    const changes = Array.from({ length: 20 }, (_, i) => {
      const isBad = i % 4 === 0;
      const vars = isBad ? { '1BAD': 'x' } : { [`KEY_${i}`]: 'x' };
      return api.call('PATCH', '/v1/apps/crowd/config', { body: { vars } }).then(
        () => true,
        () => false,
      );
    });
    const done = await Promise.all(changes);
    assert.equal(done.filter(Boolean).length, 15);
    const { rows } = await db.query<{ number: number }>(
      'SELECT number FROM releases WHERE app_id = $1 ORDER BY number',
      [appId],
    );
    assert.deepEqual(
      rows.map((row) => row.number),
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
    const { rows: running } = await db.query(
      "SELECT 1 FROM deployments WHERE app_id = $1 AND state = 'pending'",
      [appId],
    );
    assert.equal(running.length, 1, 'one deployment is under way, the others are superseded');
    const { vars } = await api.call<{ vars: Record<string, string> }>('GET', '/v1/apps/crowd/config');
    assert.equal(Object.keys(vars).length, 15);
  });
});

describe('a config change', () => {
  test('during a deployment keeps the pushed code: the pusher gets the new release', async () => {
    const appId = await newApp('config-race');
    const made = await push(controller.internal, appId, adminId, oid('1'));
    const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output`);
    await build(controller.internal, await buildIdOf(made.pushId));
    await controller.api().call('PATCH', '/v1/apps/config-race/config', { body: { vars: { A: '1' } } });
    await deploy(controller.internal, appId, epoch, 'succeeded');
    const { end } = await following;
    assert.equal(end.ok, true);
    assert.equal(end.release, 2);
  });

  test('that changes nothing makes no release; a value is never stored in the clear', async () => {
    const appId = await newApp('quiet');
    await pushAll(appId, oid('1'));
    const api = controller.api();
    const secret = 'canary-5f1c9a';
    const first = await api.call<{ release: { number: number } | null }>('PATCH', '/v1/apps/quiet/config', {
      body: { vars: { S: secret } },
    });
    assert.equal(first.release?.number, 2);
    await deploy(controller.internal, appId, epoch, 'succeeded');
    const again = await api.call<{ release: unknown }>('PATCH', '/v1/apps/quiet/config', {
      body: { vars: { S: secret, GONE: null } },
    });
    assert.equal(again.release, null);
    for (const table of ['config_versions', 'events', 'releases', 'output', 'deployments', 'apps']) {
      const { rows } = await db.query<{ row: string }>(`SELECT t::text AS row FROM ${table} t`);
      assert.ok(
        !rows.some(
          (row) => row.row.includes(secret) || row.row.includes(Buffer.from(secret).toString('hex')),
        ),
        table,
      );
    }
  });
});

describe('a rollback', () => {
  test('is a new release with the build and the config of the old one', async () => {
    const appId = await newApp('back');
    const api = controller.api();
    await pushAll(appId, oid('1'));
    await api.call('PATCH', '/v1/apps/back/config', { body: { vars: { A: 'new' } } });
    await deploy(controller.internal, appId, epoch, 'succeeded');
    await pushAll(appId, oid('3'));
    const { release } = await api.call<{
      release: { number: number; description: string; commit: string; configVersion: number };
    }>('POST', '/v1/apps/back/rollback', { body: { to: 1 } });
    assert.deepEqual(
      [release.number, release.description, release.commit, release.configVersion],
      [4, 'rollback to v1', oid('1'), 1],
    );
    const { vars } = await api.call<{ vars: Record<string, string> }>('GET', '/v1/apps/back/config');
    assert.deepEqual(vars, {});
    await deploy(controller.internal, appId, epoch, 'succeeded');
    assert.equal((await numbers('back')).find(([, , current]) => current)?.[0], 4);
  });

  test('to a release that is missing, current or never served is refused', async () => {
    const appId = await newApp('back-bad');
    const api = controller.api();
    await assert.rejects(api.call('POST', '/v1/apps/back-bad/rollback', { body: {} }), { code: 'invalid' });
    await pushAll(appId, oid('1'));
    await pushAll(appId, oid('2'), 'failed');
    await assert.rejects(api.call('POST', '/v1/apps/back-bad/rollback', { body: { to: 9 } }), {
      code: 'not_found',
    });
    await assert.rejects(
      api.call('POST', '/v1/apps/back-bad/rollback', { body: { to: 1 } }),
      /current release/,
    );
    await assert.rejects(api.call('POST', '/v1/apps/back-bad/rollback', { body: { to: 2 } }), /never served/);
    await assert.rejects(
      api.call('POST', '/v1/apps/back-bad/rollback', { body: {} }),
      /no earlier good release/,
    );
  });
});

describe('fencing', () => {
  test('a scheduler whose lease was taken over can change nothing', async () => {
    const appId = await newApp('fence');
    await pushAll(appId, oid('1'));
    const newer = await lease(controller.internal);
    assert.ok(newer > epoch);
    const old = epoch;
    epoch = newer;
    await assert.rejects(
      apply(controller.internal, appId, old, () => []),
      { code: 'stale_epoch' },
    );
    const body = { holder: 'other', epoch: null, ttlMs: 1000 };
    await assert.rejects(controller.internal.call('POST', '/internal/leases/scheduler', { body }), {
      code: 'conflict',
    });
  });

  test('a plan made from an older state is refused', async () => {
    const appId = await newApp('old-plan');
    const seen = await state(controller.internal, appId);
    await controller.api().call('PATCH', '/v1/apps/old-plan/config', { body: { vars: { A: '1' } } });
    await pushAll(appId, oid('1'));
    await assert.rejects(
      controller.internal.call('POST', `/internal/scheduler/apps/${appId}/apply`, {
        body: { epoch, version: seen.version, actions: [] },
      }),
      { code: 'conflict' },
    );
  });

  test('a killed controller loses no acknowledged push and starts again where it was', async () => {
    const appId = await newApp('killed');
    await pushAll(appId, oid('1'));
    const made = await push(controller.internal, appId, adminId, oid('2'));
    await controller.kill('SIGKILL');
    controller = await startController(backing);
    const following = follow(controller.internal, `/internal/pushes/${made.pushId}/output?after=0`);
    await build(controller.internal, await buildIdOf(made.pushId));
    await deploy(controller.internal, appId, epoch, 'succeeded');
    assert.equal((await following).end.release, 2);
    assert.deepEqual(await numbers('killed'), [
      [2, 'succeeded', true],
      [1, 'succeeded', false],
    ]);
  });
});

test('a push does not wait for an earlier one whose receiver was killed after its release was made', async () => {
  const appId = await newApp('orphaned');
  const first = await push(controller.internal, appId, adminId, oid('1'));
  await build(controller.internal, await buildIdOf(first.pushId));
  await deploy(controller.internal, appId, epoch, 'succeeded');
  const start = performance.now();
  await push(controller.internal, appId, adminId, oid('2'));
  assert.ok(performance.now() - start < 5000);
  const { rows } = await db.query<{ status: string }>('SELECT status FROM pushes WHERE id = $1', [
    first.pushId,
  ]);
  assert.equal(rows[0]?.status, 'accepted');
});
