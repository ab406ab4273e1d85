// A container's writable layer as a layer of the store: a copy for `docker commit`, a move for /berth/layers/commit.
import { mkdirSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Image, ImageStore } from '../images/image-store.ts';
import type { LayerMeta, LayerStore } from '../images/layer-store.ts';
import type { Helper } from '../runtime/helper.ts';
import type { Shim } from '../runtime/shim.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';
import { commandOf } from './merge-image-config.ts';
import { diskQuotaBytes } from './parse-create.ts';

/** What the runtime mounts on while a container runs, and takes away again at its end if it had to make it. */
export const engineMountPoints = ['dev', 'proc', 'sys', 'etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

export interface CommitParts {
  helper: Helper;
  layers: LayerStore;
  images: ImageStore;
  files: ContainerFiles;
}

/** Copies the writable layer and makes an image of it. With `pause` a container that runs stands still meanwhile. */
export async function commitContainer(
  container: Container,
  { helper, layers, images, files }: CommitParts,
  about: { comment: string; author: string; pause: boolean; config: Record<string, unknown> },
): Promise<Image> {
  const upper = join(files.stateDir(container.id), 'upper');
  await checkQuota(container, helper, upper);
  const shim = container.status === 'running' && about.pause ? container.runningShim() : undefined;
  const copy = async () => {
    const exclude = container.isRunning ? engineMountPoints : [];
    return layers.receive(await helper.tar(upper, { exclude }), {});
  };
  const layer = shim ? await standingStill(container, shim, files, copy) : await copy();
  const { config, imageId } = container.record;
  const base = images.list().find(({ id }) => id === imageId)?.config.history ?? [];
  return images.create(
    {
      created: new Date().toISOString(),
      author: about.author,
      config: { ...config, Image: '', Hostname: '', ...about.config },
      history: [
        ...base.map(({ created, createdBy, comment, emptyLayer }) => ({
          created,
          created_by: createdBy,
          ...(comment === '' ? {} : { comment }),
          ...(emptyLayer ? { empty_layer: true } : {}),
        })),
        {
          created: new Date().toISOString(),
          created_by: commandOf(config).join(' '),
          ...(about.comment === '' ? {} : { comment: about.comment }),
        },
      ],
    },
    [...container.record.layers, layer.diffId],
  );
}

async function standingStill<T>(
  { id }: Container,
  shim: Shim,
  files: ContainerFiles,
  work: () => Promise<T>,
): Promise<T> {
  // Noted first: a daemon that is killed meanwhile must not leave a container standing still for ever.
  files.updateRun(id, { isPausedForCommit: true });
  try {
    await shim.pause();
    try {
      return await work();
    } finally {
      await shim.resume();
    }
  } finally {
    files.updateRun(id, { isPausedForCommit: false });
  }
}

/** Moves the writable layer of a stopped container into the store; the container goes on with an empty one on top of it. */
export function commitLayer(
  container: Container,
  { helper, layers, files }: CommitParts,
  options: { mtime?: number; exclude: string[] },
): Promise<LayerMeta> {
  return container.exclusive(async () => {
    if (container.isRunning)
      throw new AppError('conflict', `container "${container.record.name}" is running`, {
        hint: 'stop it first',
      });
    const dir = files.stateDir(container.id);
    const upper = join(dir, 'upper');
    await checkQuota(container, helper, upper);
    // Nobody waits for the removal of a large build folder, nor shares the disk with it meanwhile.
    const removeExcluded = await layers.setAside(
      options.exclude.map((path) => join(upper, relativePath(path))),
    );
    const layer = await layers.adopt(upper, options.mtime).finally(removeExcluded);
    container.record.layers = [...container.record.layers, layer.diffId];
    files.save(container.record); // before anything else: what was written is in the layer alone now
    mkdirSync(upper, { recursive: true, mode: 0o755 });
    await helper.remove(join(dir, 'work'));
    mkdirSync(join(dir, 'work'), { mode: 0o700 });
    return layer;
  });
}

/** A path inside the writable layer; the helper refuses links on the way. */
function relativePath(path: string): string {
  const clean = normalize(`/${path}`).slice(1).replace(/\/+$/, '');
  if (clean === '') throw new AppError('bad_request', `cannot exclude "${path}"`);
  return clean;
}

async function checkQuota(container: Container, helper: Helper, upper: string): Promise<void> {
  const quota = diskQuotaBytes(container.record.hostConfig.StorageOpt);
  if (quota === 0) return;
  const { bytes } = await helper.usage(upper);
  if (bytes > quota)
    throw new AppError('no_space', `disk quota exceeded: ${bytes} bytes written, ${quota} allowed`, {
      hint: 'write less, or raise StorageOpt.size',
    });
}
