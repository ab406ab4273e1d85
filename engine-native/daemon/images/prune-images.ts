// Frees images nobody names and layers nobody needs. Called by POST /berth/prune, /images/prune and image removal.
// Must never take a layer of an image or container that exists, nor one so fresh that its image is still being made.
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';

const layerGraceMs = 3_600_000; // a build sends its layers first and its image last

export interface PruneResult {
  images: string[];
  layers: string[];
  bytes: number;
}

export async function pruneImages(
  parts: { images: ImageStore; layers: LayerStore; registry: ContainerRegistry },
  keepImages: string[],
  nowMs = Date.now(),
): Promise<PruneResult> {
  const { images, layers, registry } = parts;
  const used = new Set([...keepImages, ...registry.list().map(({ record }) => record.imageId)]);
  const removed: string[] = [];
  for (const image of images.list()) {
    if (used.has(image.id) || images.tagsOf(image.id).length > 0) continue;
    images.remove(image);
    removed.push(image.id);
  }
  const result = await pruneLayers(
    { images, layers, registry },
    (created) => nowMs - created >= layerGraceMs,
  );
  return { images: removed, ...result };
}

/** Layers that no image and no container names, if `isOld` agrees. */
async function pruneLayers(
  { images, layers, registry }: { images: ImageStore; layers: LayerStore; registry: ContainerRegistry },
  isOld: (createdMs: number) => boolean,
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
    if (meta && !isOld(Date.parse(meta.created))) continue;
    await layers.remove(diffId);
    removed.push(diffId);
    bytes += meta?.bytes ?? 0;
  }
  return { layers: removed, bytes };
}
