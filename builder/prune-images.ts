// Now and then has the engine drop images that no release needs any more and the layers that only they had, and caches over their quota. Called by main.ts.
// Must never run beside a build: the build may be about to use a layer that nobody else has.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ControllerApi } from './controller-api.ts';
import { dropDeployedImages } from './from-image/drop-deployed-images.ts';
import { type CacheQuota, pruneCaches } from './prune-caches.ts';
import { dropOldStacks } from './rebase/drop-old-stacks.ts';

const firstAfterMs = 10 * 60_000;
const everyMs = 60 * 60_000;

/** What a queue's worker must offer: to take no new job for a moment, and to say how many run. */
export interface Pausable {
  pause(doNotWaitActive: boolean): Promise<void>;
  resume(): void;
}

export interface PruneParts {
  engine: Pick<EngineClient, 'prune' | 'inspectImage' | 'listImages' | 'removeImage'>;
  controller: Pick<ControllerApi, 'imagesToKeep'>;
  /** What the builder itself needs for later builds, besides the releases' images. */
  ownImages: () => string[];
  caches: CacheQuota;
  worker: Pausable;
  activeBuilds: () => number;
  log: Logger;
}

/** Returns how to stop. */
export function startPruning(parts: PruneParts): () => void {
  let timer = setTimeout(tick, firstAfterMs);
  async function tick() {
    await pruneOnce(parts).catch((err: unknown) =>
      parts.log.warn({ err }, 'old images could not be dropped'),
    );
    timer = setTimeout(tick, everyMs);
    timer.unref();
  }
  timer.unref();
  return () => clearTimeout(timer);
}

/** False when a build was running: the next time will do. */
export async function pruneOnce({
  engine,
  controller,
  ownImages,
  caches,
  worker,
  activeBuilds,
  log,
}: PruneParts): Promise<boolean> {
  if (activeBuilds() > 0) return false;
  await worker.pause(true);
  try {
    if (activeBuilds() > 0) return false; // one began while we paused
    const kept = [...(await controller.imagesToKeep()), ...ownImages()];
    const stacks = await dropOldStacks(engine, kept);
    await dropDeployedImages(engine, kept);
    const freed = await engine.prune(kept);
    const emptied = await pruneCaches(caches);
    log.info({ freed, stacks, caches: emptied }, 'old images and caches dropped');
    return true;
  } finally {
    worker.resume();
  }
}
