// A one-off run: an instance row of the current release with a command of its own; the scheduler gives it a host.
import type { StartRun } from '@berth/contract/run.ts';
import { AppError } from '@berth/kit/errors.ts';
import { lockApp } from '@berth/store/queries/apps.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';
import { insertRun } from './insert-run.ts';

export async function startRun(
  services: Pick<Services, 'db' | 'hints'>,
  user: User,
  appId: string,
  run: typeof StartRun.static,
): Promise<{ id: string; name: string }> {
  const made = await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    if (!app.current_release_id)
      throw new AppError('invalid', `"${app.name}" has no release to run "${run.command[0]}" in`, {
        hint: 'push first: git push berth main',
      });
    return insertRun(tx, {
      appId,
      releaseId: app.current_release_id,
      gen: app.current_gen,
      command: run.command,
      terminal: { attach: true, tty: run.tty, rows: run.rows ?? 24, cols: run.cols ?? 80 },
      userId: user.id,
    });
  });
  services.hints.app(appId);
  return made;
}
