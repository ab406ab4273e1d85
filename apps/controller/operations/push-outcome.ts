// How a push, or a release that was made without one, has ended, for the last line that its follower gets. Undefined while it goes on.
// A release that was superseded by another of the same build has the other's fate: its code is what goes live.
import { AppError } from '@berth/kit/errors.ts';
import { appById } from '@berth/store/queries/apps.ts';
import { buildById } from '@berth/store/queries/builds.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { endPush, type PushRow, pushById } from '@berth/store/queries/pushes.ts';
import {
  deploymentById,
  deploymentOfRelease,
  type ReleaseRow,
  releaseById,
  releaseOfOutput,
} from '@berth/store/queries/releases.ts';
import { appUrl } from '../app-url.ts';
import type { Ending } from '../output-log.ts';
import type { Services } from '../services.ts';

const durableLimitMs = 15_000;

type Needed = Pick<Services, 'db' | 'routes' | 'config' | 'bells'>;

function failed(code: string, message: string, hint?: string | null): Ending {
  return { end: true, ok: false, code, message, release: null, url: null, ...(hint ? { hint } : {}) };
}

/** Also writes the push's end, so that it is decided once. */
export async function pushOutcome(services: Needed, pushId: string): Promise<Ending | undefined> {
  const push = await pushById(services.db, pushId);
  if (!push) throw new AppError('not_found', `there is no push "${pushId}"`);
  if (push.status === 'superseded' || push.status === 'abandoned')
    return failed(push.status, push.reason ?? push.status);
  const ending = await buildOrReleaseOutcome(services, push);
  if (ending && push.status === 'open') {
    await endPush(
      services.db,
      push.id,
      ending.ok ? 'accepted' : 'rejected',
      ending.ok ? null : ending.message,
    );
    await recordEvent(services.db, {
      appId: push.app_id,
      userId: push.user_id,
      kind: ending.ok ? 'push.accepted' : 'push.rejected',
      data: { commit: push.new_oid, release: ending.release },
    });
    services.bells.ring(`pushes ${push.app_id}`);
  }
  return ending;
}

async function buildOrReleaseOutcome(services: Needed, push: PushRow): Promise<Ending | undefined> {
  if (push.status === 'rejected' && push.build_status === 'canceled')
    return failed('build_failed', push.reason ?? 'canceled');
  const build = push.build_id ? await buildById(services.db, push.build_id) : undefined;
  if (!build || build.status === 'pending' || build.status === 'running') return undefined;
  if (build.status !== 'succeeded')
    return failed('build_failed', build.error ?? 'the build was canceled', build.hint);
  if (build.result?.unchanged) return isAsItWas(services, push.app_id);
  const release = await releaseOfOutput(services.db, push.id);
  if (!release) return failed('conflict', 'the app was destroyed');
  const ending = await releaseOutcome(services, release);
  if (!ending?.ok || build.durable || (await isOverdue(services, release.id))) return ending;
  return undefined; // served already; acknowledged when the image would survive a power loss
}

async function isAsItWas(services: Needed, appId: string): Promise<Ending> {
  const app = await appById(services.db, appId);
  const url = app ? appUrl(services.config, app.name) : null;
  return { end: true, ok: true, code: 'ok', message: 'nothing has changed', release: null, url };
}

/** A builder killed between the release and the sync never says "durable": the push is served all the same and must end. */
async function isOverdue(services: Needed, releaseId: string): Promise<boolean> {
  const deployment = await deploymentOfRelease(services.db, releaseId);
  return deployment !== undefined && deployment.state_ms > durableLimitMs;
}

export async function releaseOutcome(services: Needed, release: ReleaseRow): Promise<Ending | undefined> {
  let fate = release;
  let deployment = await deploymentOfRelease(services.db, release.id);
  while (deployment?.state === 'superseded' && deployment.superseded_by) {
    deployment = await deploymentById(services.db, deployment.superseded_by);
    const next = deployment && (await releaseById(services.db, deployment.release_id));
    if (!next || next.build_id !== release.build_id)
      return failed(
        'superseded',
        next ? `superseded by v${next.number} (${next.description})` : 'superseded',
      );
    fate = next;
  }
  if (!deployment) return failed('internal', 'the deployment is not known');
  if (deployment.state === 'failed')
    return failed('deploy_failed', deployment.error ?? 'the deployment failed', deployment.hint);
  if (deployment.state !== 'succeeded') return undefined;
  if (deployment.route_version !== null) await services.routes.waitAcked(deployment.route_version);
  const app = await appById(services.db, release.app_id);
  const url = app ? appUrl(services.config, app.name) : null;
  return { end: true, ok: true, code: 'ok', message: `v${fate.number} is live`, release: fate.number, url };
}
