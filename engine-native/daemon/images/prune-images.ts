// Frees images nobody names. Called by POST /berth/prune, /images/prune and the disk quota; collect-garbage.ts frees what they leave.
// Must never take an image that a container or a release uses.
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { collectGarbage, type GarbageParts, releasedBy } from './collect-garbage.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { KeptImages } from './kept-images.ts';

export interface PruneParts extends GarbageParts {
  images: ImageStore;
  registry: ContainerRegistry;
  kept: KeptImages;
}

export interface PruneResult {
  images: string[];
  /** `name:tag` and `name@digest` that are gone. */
  names: string[];
  layers: string[];
  bytes: number;
}

export interface PruneChoice {
  /** Tagged ones too, if no container uses them. */
  all?: boolean;
  matches?: (image: Image) => boolean;
  /** Their layers go at once, however young: a user said so. */
  isAtOnce?: boolean;
}

export async function pruneImages(parts: PruneParts, choice: PruneChoice = {}): Promise<PruneResult> {
  const { images, registry, kept } = parts;
  const used = new Set(registry.list().map(({ record }) => record.imageId));
  const unused = images.list().filter((image) => {
    const isTagged = images.tagsOf(image.id).length > 0;
    const mayGo = isTagged ? choice.all === true : !kept.has(image.id);
    return mayGo && !used.has(image.id) && choice.matches?.(image) !== false;
  });
  const released = choice.isAtOnce ? await releasedBy(unused, parts) : undefined;
  const names: string[] = [];
  for (const image of unused) {
    names.push(...images.tagsOf(image.id), ...images.digestsOf(image.id));
    images.remove(image);
  }
  return { images: unused.map(({ id }) => id), names, ...(await collectGarbage(parts, released)) };
}
