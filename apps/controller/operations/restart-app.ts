// Restarts: a new generation of the current release, started beside the old one and switched like a release. Makes no release.
import { AppError } from '@berth/kit/errors.ts';
import { lockApp, takeNumber, touchApp } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { activeDeployment, insertDeployment } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

export async function restartApp(
  services: Pick<Services, 'db' | 'hints' | 'queues'>,
  user: User,
  appId: string,
): Promise<{ deployment: string }> {
  const deployment = await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    if (!app.current_release_id)
      throw new AppError('invalid', `"${app.name}" has no release to restart`, {
        hint: 'push first: git push berth main',
      });
    if (await activeDeployment(tx, appId))
      throw new AppError('conflict', `a deployment of "${app.name}" is under way`, {
        hint: 'it starts new instances anyway; try again after it',
      });
    const gen = await takeNumber(tx, appId, 'next_gen');
    const id = await insertDeployment(tx, { appId, releaseId: app.current_release_id, gen, kind: 'restart' });
    await touchApp(tx, appId);
    await recordEvent(tx, { appId, userId: user.id, kind: 'app.restart' });
    return id;
  });
  services.hints.app(appId);
  await services.queues.addDeploy(appId);
  return { deployment };
}
