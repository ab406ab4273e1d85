// Level-triggered repair: every 10 s, unfinished rows that have no live job get one again, and pushes that nobody follows are given up.
// This is what makes Redis losable and a killed builder harmless.
import type { Logger } from '@berth/kit/logging.ts';
import { giveBackBuild, unfinishedBuilds } from '@berth/store/queries/builds.ts';
import { openPushes } from '@berth/store/queries/pushes.ts';
import { deployingApps } from '@berth/store/queries/releases.ts';
import { abandonPush } from './operations/abandon-push.ts';
import { pushOutcome } from './operations/push-outcome.ts';
import type { Services } from './services.ts';

const everyMs = 10_000;
/** A running build reports each second; silence this long means that its builder is gone. */
const silentBuildMs = 15_000;

export class BuildHeartbeats {
  readonly #seen = new Map<string, number>();
  readonly #start = performance.now();

  beat(buildId: string): void {
    this.#seen.set(buildId, performance.now());
  }

  forget(buildId: string): void {
    this.#seen.delete(buildId);
  }

  /** Milliseconds since the last report; after our own start every build gets a full period of grace. */
  silence(buildId: string): number {
    return performance.now() - (this.#seen.get(buildId) ?? this.#start);
  }
}

/** Starts sweeping; returns how to stop. */
export function startSweeping(services: Services, heartbeats: BuildHeartbeats, log: Logger): () => void {
  let running = false;
  const timer = setInterval(() => {
    if (running) return; // a slow database must not pile up sweeps
    running = true;
    sweep(services, heartbeats)
      .catch((err: unknown) => log.warn({ err }, 'sweep failed; it runs again in 10 s'))
      .finally(() => {
        running = false;
      });
  }, everyMs);
  return () => clearInterval(timer);
}

export async function sweep(services: Services, heartbeats: BuildHeartbeats): Promise<void> {
  for (const build of await unfinishedBuilds(services.db)) {
    const isSilent = heartbeats.silence(build.id) > silentBuildMs;
    if (build.status === 'pending' && build.age_s > 5) await services.queues.addBuild(build.id, build.epoch);
    if (build.status === 'running' && isSilent) await giveBack(services, build.id, build.epoch);
  }
  for (const { app_id } of await deployingApps(services.db)) {
    services.hints.app(app_id);
    await services.queues.addDeploy(app_id);
  }
  for (const { id } of await openPushes(services.db)) {
    if (services.output.followers(id) > 0) continue;
    if ((await pushOutcome(services, id)) === undefined) await abandonPush(services, id);
  }
}

async function giveBack(services: Services, buildId: string, epoch: number): Promise<void> {
  if (await giveBackBuild(services.db, buildId, epoch)) await services.queues.addBuild(buildId, epoch + 1);
}
