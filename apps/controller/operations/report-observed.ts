// A host agent's report: what its instances do. Also its heartbeat. A report of an older session changes nothing.
import type { ObservedReport } from '@berth/contract/instance.ts';
import { AppError } from '@berth/kit/errors.ts';
import { commitLazily, type Queryable } from '@berth/store/database.ts';
import { lockAppsOfInstances, touchApp } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { touchHost } from '@berth/store/queries/hosts.ts';
import { namesOfInstances, writeObserved } from '@berth/store/queries/instances.ts';
import type { Services } from '../services.ts';

export async function reportObserved(
  services: Pick<Services, 'db' | 'hints' | 'routes' | 'bells'>,
  hostId: string,
  report: ObservedReport,
): Promise<void> {
  const apps = await services.db.transaction(async (tx) => {
    // What an agent observes it can observe again: no need to wait for the disk on the path of a deploy.
    await commitLazily(tx);
    if (!(await touchHost(tx, hostId, report.session)))
      throw new AppError('stale_epoch', 'a newer session of this host has registered');
    if (report.instances.length === 0) return [];
    // apps before their instances, as everybody does: a plan that is carried out meanwhile would wait for us and we for it
    await lockAppsOfInstances(
      tx,
      report.instances.map(({ id }) => id),
    );
    const changed = await writeObserved(tx, hostId, report.instances);
    await recordCrashes(tx, report);
    for (const appId of changed) await touchApp(tx, appId);
    return changed;
  });
  for (const appId of apps) {
    services.hints.app(appId);
    services.bells.ring(`crashes ${appId}`);
  }
  await Promise.all(apps.map((appId) => services.routes.refresh(appId)));
}

/** Also what the app's log says of them: an instance that was killed cannot print why. */
async function recordCrashes(tx: Queryable, report: ObservedReport): Promise<void> {
  const crashed = report.instances.filter((instance) => instance.state === 'crashed');
  if (crashed.length === 0) return;
  const messages = new Map(crashed.map(({ id, message }) => [id, message]));
  for (const { id, app_id, name } of await namesOfInstances(tx, [...messages.keys()]))
    await recordEvent(tx, {
      appId: app_id,
      kind: 'instance.crashed',
      data: { instance: id, process: name, message: messages.get(id) },
    });
}
