// Ends a build as its builder says. Success makes the release in the same transaction, so no image is ever live without its row.
import type { BuildResult, FinishBuild } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { lockApp } from '@berth/store/queries/apps.ts';
import { type BuildRow, buildById, endBuild } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import type { Services } from '../services.ts';
import { announceRelease, type CreatedRelease, createRelease } from './create-release.ts';
import { giveVars } from './give-vars.ts';

export async function finishBuild(
  services: Pick<Services, 'db' | 'sealer' | 'hints' | 'queues' | 'output'>,
  buildId: string,
  report: FinishBuild,
): Promise<void> {
  const { build, release } = await services.db.transaction(async (tx) => {
    const found = await buildById(tx, buildId);
    if (!found) throw new AppError('not_found', `there is no build "${buildId}"`);
    const app = await lockApp(tx, found.app_id);
    const end = report.status === 'canceled' ? { status: 'canceled' as const, error: 'canceled' } : report;
    if (!(await endBuild(tx, buildId, end, report.epoch)))
      throw new AppError('stale_epoch', `build ${found.number} is not this builder's any more`);
    await recordEvent(tx, {
      appId: found.app_id,
      kind: `build.${report.status}`,
      data: { build: found.number },
    });
    const made =
      report.status === 'succeeded' && !report.result.unchanged && app && !app.deleted_at
        ? await releaseBuild(
            tx,
            found,
            report.result,
            await giveVars(services, tx, app, found.user_id, report.newVars),
          )
        : undefined;
    return { build: found, release: made };
  });
  if (release) await announceRelease(services, build.app_id, release);
  if (build.push_id) services.output.ring(build.push_id);
}

function releaseBuild(
  tx: Queryable,
  build: BuildRow,
  result: BuildResult,
  configNumber: number,
): Promise<CreatedRelease> {
  return createRelease(tx, {
    appId: build.app_id,
    userId: build.user_id,
    buildId: build.id,
    configNumber,
    image: result.image,
    processTypes: result.processTypes,
    port: result.port,
    runUser: result.user,
    ...(result.manifest ? { manifest: result.manifest } : {}),
    description: describe(build, result),
    ...(build.push_id ? { outputId: build.push_id } : {}),
  });
}

/** "push 1a2b3c4", "deploy 1a2b3c4", "image nginx:1.27@sha256:1a2b3c4d5e6f", "rebase onto debian-13" */
function describe(build: BuildRow, result: BuildResult): string {
  if (result.rebasedOnto) return `rebase onto ${result.rebasedOnto}`;
  if (result.pinned) return `image ${result.pinned.replace(/(sha256:[0-9a-f]{12})[0-9a-f]+$/, '$1')}`;
  return `${build.trigger} ${build.commit_oid?.slice(0, 7) ?? ''}`;
}
