// Makes a new release that points back at an earlier one: its build and its config vars.
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { type AppRow, lockApp } from '@berth/store/queries/apps.ts';
import { pointAtConfig } from '@berth/store/queries/config-versions.ts';
import { previousGoodRelease, type ReleaseRow, releaseByNumber } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';
import { announceRelease, type CreatedRelease, createRelease } from './create-release.ts';

/** `to`: a release number; undefined: the newest good release before the current one. */
export async function rollBack(
  services: Pick<Services, 'db' | 'hints' | 'queues' | 'output'>,
  user: User,
  appId: string,
  to: number | undefined,
): Promise<CreatedRelease> {
  const created = await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    const target = await findTarget(tx, app, to);
    const release = await createRelease(tx, {
      appId,
      userId: user.id,
      buildId: target.build_id,
      configNumber: target.config_number,
      image: target.image,
      processTypes: target.process_types,
      port: target.port,
      runUser: target.run_user,
      manifest: target.manifest,
      description: `rollback to v${target.number}`,
    });
    // The next config change starts from what is live now, not from what was rolled back.
    await pointAtConfig(tx, appId, target.config_number);
    return release;
  });
  await announceRelease(services, appId, created);
  return created;
}

async function findTarget(tx: Queryable, app: AppRow, to: number | undefined): Promise<ReleaseRow> {
  if (app.current_number === null)
    throw new AppError('invalid', `"${app.name}" has no release to roll back`, {
      hint: 'push first: git push berth main',
    });
  if (to === undefined) {
    const previous = await previousGoodRelease(tx, app.id, app.current_number);
    if (!previous)
      throw new AppError('invalid', `"${app.name}" has no earlier good release than v${app.current_number}`);
    return previous;
  }
  const target = await releaseByNumber(tx, app.id, to);
  if (!target)
    throw new AppError('not_found', `"${app.name}" has no release v${to}`, { hint: 'see: berth releases' });
  if (target.current) throw new AppError('invalid', `v${to} is the current release of "${app.name}"`);
  if (target.state !== 'succeeded')
    throw new AppError('invalid', `v${to} of "${app.name}" never served (${target.state})`, {
      hint: 'choose a release that did: berth releases',
    });
  return target;
}
