// The scheduler's process: lease, hints, queue, reconciler. Started by the supervisor; holds no state that a restart would miss.
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { AppQueue } from './app-queue.ts';
import { loadConfig } from './config.ts';
import { connectController } from './controller-calls.ts';
import { followHints } from './follow-hints.ts';
import { Lease } from './lease.ts';
import { defaultLimits } from './limits.ts';
import { createReconciler } from './reconcile-app.ts';

/** A lost hint costs at most this. */
const fullPassMs = 30_000;

const log = createLogger('scheduler');
const shutdown = createShutdown(log);
const config = loadConfig();
const controller = connectController(config.controllerSocket);

const lease = new Lease({ controller, holder: config.holder, log, onTaken: () => void fullPass() });
const limits = { ...defaultLimits, memoryPercent: config.memoryPercent };
const queue = new AppQueue(createReconciler({ controller, lease, log, limits }));

async function fullPass(): Promise<void> {
  if (lease.epoch === null) return;
  try {
    for (const appId of await controller.listApps()) queue.dirty(appId);
  } catch (err) {
    log.warn({ err }, 'full pass failed');
  }
}

const onApp = (appId: string) => {
  if (lease.epoch !== null) queue.dirty(appId);
};
const leaseLoop = lease.run(shutdown.signal);
const hintLoop = followHints(controller, { onApp, onAll: () => void fullPass() }, log, shutdown.signal);
const timer = setInterval(() => void fullPass(), fullPassMs);
shutdown.add('loops', async () => {
  clearInterval(timer);
  queue.close();
  await Promise.all([leaseLoop, hintLoop, lease.release()]);
});
reportReady();
if (config.redisUrl !== undefined) {
  // the queue's library is loaded after the loops run: it is slow to load and only carries hints
  const { startDeploysWorker } = await import('./deploys-worker.ts');
  const worker = startDeploysWorker(config.redisUrl, onApp, log);
  shutdown.add('deploys worker', () => worker.close());
}
