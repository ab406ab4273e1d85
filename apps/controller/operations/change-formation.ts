// Scaling: changes the wanted quantity and size of process types. Makes no release.
import type { FormationChange } from '@berth/contract/app.ts';
import { unscaledProcessTypes } from '@berth/contract/names.ts';
import { AppError } from '@berth/kit/errors.ts';
import { listFormation, lockApp, setFormation, touchApp } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { newestUsableRelease } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

export async function changeFormation(
  services: Pick<Services, 'db' | 'hints' | 'queues' | 'routes'>,
  user: User,
  appId: string,
  change: FormationChange,
): Promise<void> {
  await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    const release = await newestUsableRelease(tx, appId);
    const known = new Set((await listFormation(tx, appId)).map((row) => row.process_type));
    for (const type of Object.keys(release?.process_types ?? {}))
      if (!unscaledProcessTypes.has(type)) known.add(type);
    for (const entry of change.entries) {
      if (!known.has(entry.processType))
        throw new AppError('invalid', `"${app.name}" has no process type "${entry.processType}"`, {
          hint:
            known.size > 0 ? `it has: ${[...known].sort().join(', ')}` : 'push first: git push berth main',
        });
      await setFormation(tx, appId, entry.processType, entry);
    }
    await touchApp(tx, appId);
    await recordEvent(tx, {
      appId,
      userId: user.id,
      kind: 'formation.change',
      data: { entries: change.entries },
    });
  });
  services.hints.app(appId);
  await Promise.all([services.routes.refresh(appId), services.queues.addDeploy(appId)]);
}
