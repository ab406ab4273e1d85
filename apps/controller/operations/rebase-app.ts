// Puts the current release's image onto the newest stack: a build of the kind `rebase`, which makes no layers, and then a release like any other.
// Must never start beside a build of the app: what is being pushed stands on the newest stack anyway.
import { AppError } from '@berth/kit/errors.ts';
import { lockApp, takeNumber } from '@berth/store/queries/apps.ts';
import { type BuildRow, buildById, insertBuild, listBuilds } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { releaseById } from '@berth/store/queries/releases.ts';
import type { User } from '@berth/store/queries/users.ts';
import type { Services } from '../services.ts';

export async function rebaseApp(
  services: Pick<Services, 'db' | 'queues'>,
  user: User,
  appId: string,
): Promise<BuildRow> {
  const id = await services.db.transaction(async (tx) => {
    const app = await lockApp(tx, appId);
    if (!app || app.deleted_at) throw new AppError('not_found', 'the app does not exist any more');
    const release = app.current_release_id ? await releaseById(tx, app.current_release_id) : undefined;
    const built = release && (await buildById(tx, release.build_id));
    if (!built)
      throw new AppError('invalid', `"${app.name}" has no release to rebase`, {
        hint: 'push first: git push berth main',
      });
    const [newest] = await listBuilds(tx, appId, 1);
    if (newest?.status === 'pending' || newest?.status === 'running')
      throw new AppError('conflict', `build ${newest.number} of "${app.name}" is under way`, {
        hint: 'what it makes stands on the newest stack',
      });
    const number = await takeNumber(tx, appId, 'next_build');
    const buildId = await insertBuild(tx, {
      appId,
      number,
      pushId: null,
      userId: user.id,
      commit: built.commit_oid,
      tree: built.tree_oid,
      repository: built.repository,
      objectDirectories: [],
      trigger: 'rebase',
    });
    await recordEvent(tx, { appId, userId: user.id, kind: 'app.rebase', data: { build: number } });
    return buildId;
  });
  await services.queues.addBuild(id, 0);
  const build = await buildById(services.db, id);
  if (!build) throw new AppError('internal', 'the build is gone again');
  return build;
}
