// A pusher that went away: its build is canceled if nobody else needs it. A deployment that has begun goes on: the release exists.
import { endBuild } from '@berth/store/queries/builds.ts';
import { endPush, pushById } from '@berth/store/queries/pushes.ts';
import type { Services } from '../services.ts';

export async function abandonPush(
  services: Pick<Services, 'db' | 'bells' | 'output'>,
  pushId: string,
): Promise<void> {
  const push = await services.db.transaction(async (tx) => {
    const found = await pushById(tx, pushId);
    if (found?.status !== 'open' || !found.build_id) return undefined;
    const canceled = await endBuild(tx, found.build_id, {
      status: 'canceled',
      error: 'the pusher went away',
    });
    if (canceled) await endPush(tx, pushId, 'abandoned', 'the pusher went away');
    return found;
  });
  if (!push) return;
  services.output.ring(pushId);
  services.bells.ring(`pushes ${push.app_id}`);
}
