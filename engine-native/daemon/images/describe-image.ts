// Images in the words of Docker's API: one line of `docker images`, `docker inspect`, `docker history`. Called by the image routes.
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { createdMs } from './select-images.ts';

export interface DescribeParts {
  images: ImageStore;
  layers: LayerStore;
  registry: ContainerRegistry;
}

/** `isShown`: which of its names; all of them when the list was not asked for by name. */
export function imageSummary(
  image: Image,
  { images, registry }: DescribeParts,
  isShown: (name: string) => boolean = () => true,
): object {
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: images.tagsOf(image.id).filter(isShown),
    RepoDigests: images.digestsOf(image.id).filter(isShown),
    Created: Math.floor(createdMs(image) / 1000),
    Size: image.size,
    SharedSize: -1,
    Labels: image.config.defaults.Labels,
    Containers: registry.list().filter(({ record }) => record.imageId === image.id).length,
  };
}

export function imageDetail(image: Image, { images, layers }: DescribeParts): object {
  const { config, id } = image;
  return {
    Id: id,
    RepoTags: images.tagsOf(id),
    RepoDigests: images.digestsOf(id),
    Parent: '',
    Comment: config.history.at(-1)?.comment ?? '',
    Created: config.created || '0001-01-01T00:00:00Z',
    DockerVersion: '',
    Author: config.author,
    Architecture: config.architecture,
    ...(config.variant === '' ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    Config: config.defaults,
    GraphDriver: {
      Name: 'overlay2',
      Data: { LowerDir: config.diffIds.map((diffId) => layers.diffDir(diffId)).join(':') },
    },
    RootFS: { Type: 'layers', Layers: config.diffIds },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
  };
}

const unknownStep = { created: '', createdBy: '', comment: '', emptyLayer: false };

/** Newest first. */
export function imageHistory({ config, id }: Image, { images, layers }: DescribeParts): object[] {
  const sizes = config.diffIds.map((diffId) => layers.find(diffId)?.bytes ?? 0);
  const entries = config.history.length > 0 ? config.history : config.diffIds.map(() => unknownStep);
  let layer = 0;
  const steps = entries.map((entry) => ({
    Id: '<missing>',
    Created: Math.floor((Date.parse(entry.created) || 0) / 1000),
    CreatedBy: entry.createdBy,
    Tags: null as string[] | null,
    Size: entry.emptyLayer ? 0 : (sizes[layer++] ?? 0),
    Comment: entry.comment,
  }));
  const newest = steps.at(-1);
  if (newest) Object.assign(newest, { Id: id, Tags: images.tagsOf(id) });
  return steps.reverse();
}
