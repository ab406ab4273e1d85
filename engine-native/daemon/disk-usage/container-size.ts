// What a container takes: what it wrote by itself, and that together with its image. For `docker ps -s`, inspect --size and system df.
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerFiles } from '../containers/container-files.ts';
import type { LayerStore } from '../images/layer-store.ts';
import type { Helper } from '../runtime/helper.ts';

export interface SizeParts {
  helper: Helper;
  files: ContainerFiles;
  layers: LayerStore;
}

export interface ContainerSize {
  SizeRw: number;
  SizeRootFs: number;
}

export async function containerSize(
  { id, record }: Container,
  { helper, files, layers }: SizeParts,
): Promise<ContainerSize> {
  const written = await helper.usage(join(files.stateDir(id), 'upper')).catch((error: unknown) => {
    // It was removed while the list was made.
    if (error instanceof AppError && error.code === 'not_found') return { content: 0 };
    throw error;
  });
  const image = record.layers.reduce((sum, diffId) => sum + (layers.find(diffId)?.bytes ?? 0), 0);
  return { SizeRw: written.content, SizeRootFs: image + written.content };
}
