// Takes a push that git has received and checked: supersedes one that is still building, waits for one that is being deployed, starts the build.
// Must never start a build after a wait: the branch has probably moved, and a short build would be live before git refuses the push.

import type { BuildTrigger, ImageRequest } from '@berth/contract/build.ts';
import type { PushWaited, StartedPush, StartPush } from '@berth/contract/push.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { lockApp, takeNumber } from '@berth/store/queries/apps.ts';
import { endBuild, insertBuild } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import {
  endPush,
  insertPush,
  markLanded,
  type PushRow,
  unfinishedPushes,
} from '@berth/store/queries/pushes.ts';
import type { Services } from '../services.ts';
import { pushOutcome } from './push-outcome.ts';

/** A push waits this long for an earlier one that is being deployed; its deployment has limits of its own that are shorter in practice. */
const waitForEarlierMs = 10 * 60_000;

/** A push of commits, or (with `image`) a finished image, which has none. */
type NewPush = Omit<StartPush, 'newOid' | 'treeOid' | 'trigger'> & {
  newOid: string | null;
  treeOid: string | null;
  trigger?: BuildTrigger;
  image?: ImageRequest;
};

type Needed = Pick<Services, 'db' | 'bells' | 'queues' | 'output' | 'routes' | 'config'>;

interface Taken {
  pushId: string;
  buildId: string;
  buildNumber: number;
  superseded: string[];
}

export async function startPush(services: Needed, push: NewPush): Promise<StartedPush | PushWaited> {
  const watch = services.bells.watch(`pushes ${push.appId}`);
  const deadline = performance.now() + waitForEarlierMs;
  try {
    await endUnfollowed(services, push.appId);
    const taken = await services.db.transaction((tx) => takePush(tx, push));
    if (taken) return await announce(services, taken);
    for (;;) {
      await endUnfollowed(services, push.appId);
      if ((await unfinishedPushes(services.db, push.appId)).every(isBuilding)) return { waited: true };
      if (performance.now() > deadline)
        throw new AppError('timeout', 'an earlier push of this app has not ended', { hint: 'try again' });
      await watch.wait(500);
    }
  } finally {
    watch.close();
  }
}

/** A push whose receiver was killed has nobody who asks how it ended; the next push must not wait for that. */
async function endUnfollowed(services: Needed, appId: string): Promise<void> {
  for (const other of await unfinishedPushes(services.db, appId)) {
    if (other.status !== 'open' || isBuilding(other) || services.output.followers(other.id) > 0) continue;
    if (await pushOutcome(services, other.id)) await markLanded(services.db, other.id);
  }
}

/** Undefined: an earlier push is being deployed and must end first. */
async function takePush(tx: Queryable, push: NewPush): Promise<Taken | undefined> {
  const app = await lockApp(tx, push.appId);
  if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
  const earlier = await unfinishedPushes(tx, push.appId);
  if (earlier.some((other) => !isBuilding(other))) return undefined;
  const superseded: string[] = [];
  for (const other of earlier) {
    const reason = `superseded by a newer ${push.trigger ?? 'push'} (${push.image?.reference ?? push.newOid?.slice(0, 7)})`;
    if (other.build_id) await endBuild(tx, other.build_id, { status: 'superseded', error: reason });
    if (await endPush(tx, other.id, 'superseded', reason)) superseded.push(other.id);
  }
  const pushId = await insertPush(tx, push);
  if (push.image) await markLanded(tx, pushId); // no ref waits for it
  const buildNumber = await takeNumber(tx, push.appId, 'next_build');
  const buildId = await insertBuild(tx, {
    appId: push.appId,
    number: buildNumber,
    pushId,
    userId: push.userId,
    commit: push.newOid,
    tree: push.treeOid,
    repository: push.repository,
    objectDirectories: push.objectDirectories,
    noCache: push.noCache ?? false,
    trigger: push.trigger ?? 'push',
    ...(push.image ? { image: push.image } : {}),
  });
  await recordEvent(tx, {
    appId: push.appId,
    userId: push.userId,
    kind: 'push.start',
    data: { commit: push.newOid, build: buildNumber },
  });
  return { pushId, buildId, buildNumber, superseded };
}

function isBuilding(push: PushRow): boolean {
  return push.status === 'open' && (push.build_status === 'pending' || push.build_status === 'running');
}

async function announce(services: Pick<Services, 'queues' | 'output'>, taken: Taken): Promise<StartedPush> {
  for (const pushId of taken.superseded) services.output.ring(pushId);
  await services.queues.addBuild(taken.buildId, 0);
  return { pushId: taken.pushId, buildNumber: taken.buildNumber };
}
