// The controller's side of BullMQ: adds jobs that carry one id. Redis may be lost: every job is re-derived from rows (sweep.ts).
import type { BuildJob } from '@berth/contract/build.ts';
import type { DeployJob } from '@berth/contract/release.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';

export interface Queues {
  /** Never throws: a job that cannot be added now is added by the sweeper. */
  addBuild(buildId: string, epoch: number): Promise<void>;
  addDeploy(appId: string): Promise<void>;
  close(): Promise<void>;
}

/** A request must not wait for a Redis that is away; the sweeper adds the job when it is back. */
const addLimitMs = 2000;

export function openQueues(redisUrl: string, log: Logger): Queues {
  const connection = new Redis(redisAddress(redisUrl), {
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    lazyConnect: false,
  });
  connection.on('error', (err) => log.debug({ err }, 'redis connection failed'));
  const options = {
    connection,
    prefix: 'berth',
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
  };
  const builds = new Queue<BuildJob>('builds', options);
  const deploys = new Queue<DeployJob>('deploys', options);
  for (const queue of [builds, deploys])
    queue.on('error', (err) => log.debug({ err }, 'queue connection failed'));
  const add = async (what: Promise<unknown>) => {
    const limit = AbortSignal.timeout(addLimitMs);
    const late = new Promise((_, reject) =>
      limit.addEventListener('abort', () => reject(new Error('redis did not answer'))),
    );
    await Promise.race([what, late]).catch((err: unknown) =>
      log.warn({ err }, 'adding a job failed; the sweeper will add it'),
    );
  };
  return {
    // The epoch is part of the id: a job of an earlier life of this build must not swallow this one.
    addBuild: (buildId, epoch) => add(builds.add('build', { buildId }, { jobId: `${buildId}-${epoch}` })),
    addDeploy: (appId) =>
      add(deploys.add('deploy', { appId }, { deduplication: { id: appId, keepLastIfActive: true } })),
    close: async () => {
      await Promise.allSettled([builds.close(), deploys.close()]);
      connection.disconnect();
    },
  };
}

/** ioredis takes a path for a unix socket and a URL for the rest. */
function redisAddress(url: string): string {
  return url.startsWith('unix://') ? url.slice('unix://'.length) : url;
}
