// The heart of a release: number, row, deployment and formation in the caller's transaction, so that all of it exists or none of it.
// Called for a finished build, a config change and a rollback. A deployment under way is superseded by the new one.
import type { ProcessTypes } from '@berth/contract/build.ts';
import type { ReleaseManifest } from '@berth/contract/manifest.ts';
import { unscaledProcessTypes } from '@berth/contract/names.ts';
import type { Queryable } from '@berth/store/database.ts';
import { addFormationRows, takeNumber, touchApp } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import {
  activeDeployment,
  insertDeployment,
  insertRelease,
  releaseById,
} from '@berth/store/queries/releases.ts';
import type { Services } from '../services.ts';

export interface ReleaseFacts {
  appId: string;
  userId: string;
  buildId: string;
  configNumber: number;
  image: string;
  processTypes: ProcessTypes;
  port: number;
  runUser: string;
  /** What the build's manifest says, or the release's that this one repeats. */
  manifest?: Partial<ReleaseManifest>;
  description: string;
  /** The push's stream, when a push made it; otherwise the release has its own. */
  outputId?: string;
}

export interface CreatedRelease {
  releaseId: string;
  number: number;
  /** Stream of the deployment that this one superseded: its followers must be told. */
  supersededOutput: string | null;
}

/** Must be called with the app's row locked (lockApp). */
export async function createRelease(tx: Queryable, facts: ReleaseFacts): Promise<CreatedRelease> {
  const active = await activeDeployment(tx, facts.appId);
  const number = await takeNumber(tx, facts.appId, 'next_release');
  const gen = await takeNumber(tx, facts.appId, 'next_gen');
  const releaseId = await insertRelease(tx, { ...facts, number });
  await insertDeployment(tx, { appId: facts.appId, releaseId, gen, kind: 'release' });
  const scaled = Object.keys(facts.processTypes).filter((type) => !unscaledProcessTypes.has(type));
  await addFormationRows(tx, facts.appId, scaled, facts.manifest?.formation);
  await touchApp(tx, facts.appId);
  await recordEvent(tx, {
    appId: facts.appId,
    userId: facts.userId,
    kind: 'release.create',
    data: { number, description: facts.description },
  });
  const old = active ? await releaseById(tx, active.release_id) : undefined;
  return { releaseId, number, supersededOutput: old?.output_id ?? null };
}

/** After the commit: wake the scheduler and whoever follows what was superseded. */
export async function announceRelease(
  services: Pick<Services, 'hints' | 'queues' | 'output'>,
  appId: string,
  created: CreatedRelease,
): Promise<void> {
  services.hints.app(appId);
  if (created.supersededOutput) services.output.ring(created.supersededOutput);
  await services.queues.addDeploy(appId);
}
