// Connects the registry to the engine's images: exports tagged ones, and pulls through from other registries. Used by engine.ts when the
// registry is on; the heavy parts are loaded at the first use.
import type { ImageParts } from '../images/image-parts.ts';
import { normaliseReference, parseReference } from '../images/references.ts';
import type { EngineImageParts } from './engine-images.ts';
import type { PullThrough } from './proxy-cache.ts';

export function imageSources(parts: ImageParts): {
  engineImages: EngineImageParts;
  pullThrough: PullThrough;
} {
  return {
    engineImages: {
      async exportTagged(reference, compression) {
        if (!isOwnSpelling(reference) || !parts.images.hasTag(reference)) return undefined;
        const { exportImage } = await import('../images/export-image.ts');
        const image = parts.images.get(reference);
        return { ...(await exportImage(image, { compression }, parts)), imageId: image.id };
      },
      documentsOf: (imageId) => parts.documents.of(imageId),
      listTags(name) {
        return isOwnSpelling(`${name}:latest`) ? parts.images.taggedAs(name).map(({ tag }) => tag) : [];
      },
    },
    async pullThrough(host, repository, reference) {
      await parts.quota.makeRoom(1); // its size is not known yet: a store that is full already takes nothing
      const { pullThrough } = await import('../images/pull-through.ts');
      const separator = reference.includes(':') ? '@' : ':';
      return pullThrough(parseReference(`${host}/${repository}${separator}${reference}`), parts);
    },
  };
}

/** By its own tag alone: an image's id, or another spelling of its name, would pass by the grants for the name. */
function isOwnSpelling(reference: string): boolean {
  try {
    return normaliseReference(reference) === reference;
  } catch {
    return false; // the engine's names have other limits than repositories
  }
}
