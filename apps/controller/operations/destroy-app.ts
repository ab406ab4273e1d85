// Ends an app: its name and hostnames are free at once, its instances are stopped by the scheduler, its rows stay as history.
import { AppError } from '@berth/kit/errors.ts';
import { lockApp, markDeleted, touchApp } from '@berth/store/queries/apps.ts';
import { endWorkOfApp } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { activeDeployment, moveDeployment } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

export async function destroyApp(
  services: Pick<Services, 'db' | 'hints' | 'queues' | 'routes'>,
  user: User,
  appId: string,
  confirm: string,
): Promise<void> {
  await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    if (confirm !== app.name)
      throw new AppError('invalid', `to destroy "${app.name}", its name must be given as confirmation`, {
        hint: `berth apps:destroy --confirm ${app.name}`,
      });
    const active = await activeDeployment(tx, appId);
    if (active)
      await moveDeployment(tx, active.id, active.state, 'failed', { error: 'the app was destroyed' });
    await endWorkOfApp(tx, appId, 'the app was destroyed');
    await markDeleted(tx, appId);
    await touchApp(tx, appId);
    await recordEvent(tx, { appId, userId: user.id, kind: 'app.destroy', data: { name: app.name } });
  });
  services.hints.app(appId);
  await Promise.all([services.routes.refresh(appId), services.queues.addDeploy(appId)]);
}
