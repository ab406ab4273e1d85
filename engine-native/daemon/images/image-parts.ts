// Everything about images that the daemon has one of: stores, leases, quota. Made by engine.ts at the start.
// Must stay cheap to import: clients of registries, archives and compressors are loaded by those who need them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@berth/kit/logging.ts';
import { StepCache } from '../build/step-cache.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { FolderBlobStore } from '../content/folder-blob-store.ts';
import { Registries } from '../registry-client/registries-file.ts';
import type { Helper } from '../runtime/helper.ts';
import { collectGarbage } from './collect-garbage.ts';
import { Downloads } from './download-blob.ts';
import { ImageDocumentStore } from './image-documents.ts';
import { ImageStore } from './image-store.ts';
import { KeptImages } from './kept-images.ts';
import { LayerStore } from './layer-store.ts';
import { Leases } from './leases.ts';
import { StoreQuota } from './store-quota.ts';

const collectEveryMs = 1_800_000; // what an upload or a build left behind goes within an hour and a half

export interface ImageSettings {
  /** File about registries; "" = none. */
  registriesFile: string;
  /** Bytes; 0 = no limit. */
  quotaBytes: number;
  graceMs: number;
}

export type ImageParts = ReturnType<typeof assembleImages>;

export function assembleImages(
  settings: ImageSettings,
  { root, helper, registry, log }: { root: string; helper: Helper; registry: ContainerRegistry; log: Logger },
) {
  const blobs = new FolderBlobStore(root);
  const layers = new LayerStore({ root, helper, blobs, log });
  const images = new ImageStore({ root, layers, log });
  const documents = new ImageDocumentStore({ root, blobs, images });
  const steps = new StepCache(root, layers);
  const stores = {
    blobs,
    layers,
    images,
    documents,
    steps,
    kept: new KeptImages(root),
    leases: new Leases(),
    downloads: new Downloads(root, blobs),
    registries: new Registries(settings.registriesFile),
    blobRoots: [() => registryRoots(root), async () => documents.roots()],
    cachedLayers: () => steps.layers(),
    graceMs: settings.graceMs,
  };
  const quota = new StoreQuota(settings.quotaBytes, { ...stores, registry, log });
  layers.limit = () => quota.limit();
  return { ...stores, quota };
}

/** Also when no registry is served at the moment: what was pushed stays. */
async function registryRoots(root: string): Promise<string[]> {
  if (!existsSync(join(root, 'registry'))) return [];
  const { RepositoryStore } = await import('../registry/repository-store.ts');
  return Array.fromAsync(new RepositoryStore(root).roots());
}

/** Stops with the returned function. */
export function collectRegularly(
  parts: ImageParts & { registry: ContainerRegistry; log: Logger },
): () => void {
  const timer = setInterval(() => {
    collectGarbage(parts).catch((err: unknown) => parts.log.warn({ err }, 'garbage stays'));
  }, collectEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}
