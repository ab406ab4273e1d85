// Takes `deploys` jobs off the queue: each says only that an app is dirty. Losing Redis loses nothing, so its errors are logged and waited out.
import type { DeployJob } from '@berth/contract/release.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

/** Long absences of Redis must not turn into a busy loop. */
const maxReconnectMs = 2_000;

export function startDeploysWorker(
  redisUrl: string,
  onApp: (appId: string) => void,
  log: Logger,
): { close: () => Promise<void> } {
  const redis = connectRedis(redisUrl);
  let isDown = false;
  const onError = (err: Error) => {
    if (!isDown) log.warn({ err }, 'redis cannot be reached');
    isDown = true;
  };
  redis.on('error', onError);
  redis.on('ready', () => {
    isDown = false;
  });
  const worker = new Worker<DeployJob>('deploys', async (job) => onApp(job.data.appId), {
    connection: redis,
    prefix: 'berth',
    concurrency: 16,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 100 },
  });
  worker.on('error', onError);
  return {
    close: async () => {
      await worker.close(true);
      redis.disconnect();
    },
  };
}

function connectRedis(redisUrl: string): Redis {
  const options = {
    maxRetriesPerRequest: null, // a worker waits for Redis instead of failing its blocking read
    retryStrategy: (times: number) => Math.min(maxReconnectMs, times * 100),
  };
  if (!redisUrl.startsWith('unix:')) return new Redis(redisUrl, options);
  return new Redis({ ...options, path: new URL(redisUrl).pathname });
}
