// The builder process: takes `builds` jobs from the queue and runs each (run-build.ts). Started by the supervisor.
// Holds no database password; everything it knows about a build comes from the controller.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { ImageDocuments } from '@berth/clients/image-documents.ts';
import type { BuildJob } from '@berth/contract/build.ts';
import { retry } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { BuildLayers } from './build-layers.ts';
import { BuildCache } from './classic/build-cache.ts';
import { removeVarsFolders } from './classic/vars-folder.ts';
import { removeWorkFolders } from './cnb/work-folder.ts';
import { type BuilderConfig, readBuilderConfig } from './config.ts';
import { ControllerApi } from './controller-api.ts';
import { LayerRecords } from './layer-records.ts';
import { findPlatformNode } from './platform-node.ts';
import { startPruning } from './prune-images.ts';
import { runBuild, type Workshop } from './run-build.ts';
import { buildSources } from './sources.ts';
import { makeSeed } from './steps/make-layers.ts';
import { prepareEngine } from './steps/prepare-engine.ts';

// What is read and packed here, and git, gives way to apps and the router, as build containers do by their weight.
setPriority(5);
const config = readConfigOrEnd();
const log = createLogger('builder', config.logLevel);
const shutdown = createShutdown(log);
mkdirSync(config.dataDir, { recursive: true, mode: 0o711 });
removeVarsFolders(config.dataDir);
removeWorkFolders(config.dataDir);

const shop: Workshop = {
  config,
  controller: new ControllerApi(config.controllerSocket),
  engine: new EngineClient(config.engineSocket),
  documents: new ImageDocuments(config.engineSocket),
  records: new LayerRecords(join(config.dataDir, 'layers')),
  platformNode: await findPlatformNode(config.npmDir, config.machineEnv['PATH'] ?? ''),
  sources: buildSources(config.machineEnv, config.sources),
  varsSecret: readVarsSecret(join(config.dataDir, 'vars.key')),
  log,
  stopping: shutdown.signal,
};

// The engine and the controller may still be starting; after ten minutes the supervisor shall see that something is wrong.
await retry(() => prepareEngine(shop.engine), {
  firstMs: 50,
  maxMs: 1000,
  limitMs: 600_000,
  signal: shutdown.signal,
});
await shop.controller.requeue(config.worker, shutdown.signal);
// The first push shall not wait for the platform's own Node and npm; making their layers again is no work.
for (const part of ['node', 'npm'] as const)
  makeSeed({ id: part, part, prefix: `/opt/berth/${part}` }, shop).catch((err: unknown) =>
    log.warn({ err, part }, 'the layer will be made by the first build'),
  );

const connection = connectRedis(config.redisUrl);
let activeBuilds = 0;
const buildJob = async (buildId: string) => {
  activeBuilds++;
  try {
    await runBuild(shop, buildId);
  } finally {
    activeBuilds--;
  }
};
const worker = new Worker<BuildJob>('builds', (job) => buildJob(job.data.buildId), {
  connection,
  prefix: 'berth',
  concurrency: config.concurrency,
});
worker.on('error', (err) => log.warn({ err }, 'queue error'));
worker.on('failed', (job, err) => log.error({ build: job?.data.buildId, err }, 'job failed'));
shutdown.add('engine client', () => {
  shop.engine.close();
  shop.documents.close();
});
shutdown.add('controller client', () => shop.controller.close());
shutdown.add('queue connection', () => connection.disconnect());
// Builds under way stop (shop.stopping) and are given back by the next life of the builder, which starts them anew.
shutdown.add('worker', () => worker.close());
const ownImages = () => [
  ...new BuildCache(config.dataDir).images(),
  ...new BuildLayers(config.dataDir).images(),
];
const caches = { dir: join(config.dataDir, 'cache/apps'), bytes: config.cacheBytes };
shutdown.add(
  'pruning',
  startPruning({ ...shop, ownImages, caches, worker, activeBuilds: () => activeBuilds }),
);
await worker.waitUntilReady();
log.info({ worker: config.worker }, 'ready');
reportReady();

/** What is wrong with a setting is one line; a stack says nothing more. */
function readConfigOrEnd(): BuilderConfig {
  try {
    return readBuilderConfig();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    createLogger('builder', 'info').fatal({ problem: error.message, hint: error.hint }, 'a setting is wrong');
    process.exit(1);
  }
}

function connectRedis(url: string): Redis {
  // BullMQ's own condition for blocking connections.
  const options = { maxRetriesPerRequest: null };
  return url.startsWith('unix://')
    ? new Redis({ ...options, path: url.slice('unix://'.length) })
    : new Redis(url, options);
}

/** Keys of results contain a digest of config vars; with a secret of its own nobody can try out values. */
function readVarsSecret(file: string): Uint8Array {
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600, flag: 'wx' });
  return readFileSync(file);
}
