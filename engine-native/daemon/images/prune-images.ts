// Frees images nobody names and layers nobody needs. Called by POST /berth/prune, /images/prune and image removal.
// Must never take a layer of an image or container that exists, nor one so fresh that its image is still being made.
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';

const layerGraceMs = 3_600_000; // a build sends its layers first and its image last

export interface PruneParts {
  images: ImageStore;
  layers: LayerStore;
  registry: ContainerRegistry;
}

export interface PruneResult {
  images: string[];
  layers: string[];
  bytes: number;
}

export async function pruneImages(
  parts: PruneParts,
  keepImages: string[],
  nowMs = Date.now(),
): Promise<PruneResult> {
  const { images, registry } = parts;
  const used = new Set([...keepImages, ...registry.list().map(({ record }) => record.imageId)]);
  const removed: string[] = [];
  for (const image of images.list()) {
    if (used.has(image.id) || images.tagsOf(image.id).length > 0) continue;
    images.remove(image);
    removed.push(image.id);
  }
  return { images: removed, ...(await pruneLayers(parts, nowMs)) };
}

/** Frees layers that no image and no container names, unless they are fresh. */
export async function pruneLayers(
  { images, layers, registry }: PruneParts,
  nowMs = Date.now(),
): Promise<{ layers: string[]; bytes: number }> {
  const needed = new Set([
    ...images.list().flatMap(({ config }) => config.diffIds),
    ...registry.list().flatMap(({ record }) => record.layers),
  ]);
  const removed: string[] = [];
  let bytes = 0;
  for (const diffId of layers.list()) {
    if (needed.has(diffId)) continue;
    const meta = layers.has(diffId) ? layers.meta(diffId) : undefined;
    if (meta && nowMs - Date.parse(meta.created) < layerGraceMs) continue;
    await layers.remove(diffId);
    removed.push(diffId);
    bytes += meta?.bytes ?? 0;
  }
  return { layers: removed, bytes };
}
