// GET /system/df: what images, containers, volumes and the build cache take on disk (`docker system df`, with -v in detail).
import { AppError } from '@berth/kit/errors.ts';
import type { CacheMounts } from '../build/cache-mounts.ts';
import type { StepCache } from '../build/step-cache.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { summariseContainer } from '../containers/inspect-container.ts';
import { containerSize, type SizeParts } from '../disk-usage/container-size.ts';
import { layerSizes } from '../disk-usage/layer-sizes.ts';
import { imageSummary } from '../images/describe-image.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Networks } from '../networks/networks.ts';
import { describeVolume } from '../volumes/volume.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import type { Call, Reply, Route } from './route.ts';

export interface DiskUsageParts extends SizeParts {
  images: ImageStore;
  registry: ContainerRegistry;
  networks: Networks;
  volumes: VolumeStore;
  steps: StepCache;
  cacheMounts: CacheMounts;
}

const types = ['image', 'container', 'volume', 'build-cache'];

export function diskUsageRoutes(parts: DiskUsageParts): Route[] {
  return [{ method: 'GET', pattern: '/system/df', handle: (call) => diskUsage(call, parts) }];
}

async function diskUsage({ query }: Call, parts: DiskUsageParts): Promise<Reply> {
  const asked = query.getAll('type');
  const unknown = asked.find((type) => !types.includes(type));
  if (unknown !== undefined) throw new AppError('bad_request', `unknown object type: ${unknown}`);
  const wants = (type: string) => asked.length === 0 || asked.includes(type);
  return {
    status: 200,
    body: {
      ...(wants('image') ? imageUsage(parts) : {}),
      ...(wants('container') ? { Containers: await containerUsage(parts) } : {}),
      ...(wants('volume') ? { Volumes: await volumeUsage(parts) } : {}),
      ...(wants('build-cache') ? await buildUsage(parts) : {}),
    },
  };
}

function imageUsage(parts: DiskUsageParts): object {
  const images = parts.images.list();
  const { total, shared } = layerSizes(
    images.map(({ id, config }) => ({ id, diffIds: config.diffIds })),
    (diffId) => parts.layers.find(diffId)?.bytes ?? 0,
  );
  const Images = images.map((image) => ({
    ...imageSummary(image, parts),
    SharedSize: shared.get(image.id) ?? 0,
  }));
  return { LayersSize: total, Images };
}

async function containerUsage(parts: DiskUsageParts): Promise<object[]> {
  const all: object[] = [];
  for (const container of parts.registry.list())
    all.push({
      ...summariseContainer(container, parts.networks),
      ...(await containerSize(container, parts)),
    });
  return all;
}

async function volumeUsage({ volumes }: DiskUsageParts): Promise<object[]> {
  const all: object[] = [];
  for (const record of volumes.list()) {
    const Size = await volumes.usage(record.name);
    const UsageData = { RefCount: volumes.usersOf(record.name).length, Size };
    all.push({ ...describeVolume(record, volumes.mountpoint(record.name)), UsageData });
  }
  return all;
}

/** Layers that only later builds would use (those of images are counted there), and the folders of RUN --mount=type=cache. */
async function buildUsage({ steps, layers, images, cacheMounts }: DiskUsageParts): Promise<object> {
  const inImages = new Set(images.list().flatMap(({ config }) => config.diffIds));
  const stepLayers = [...steps.layers()].flatMap((diffId) => {
    const meta = layers.find(diffId);
    if (!meta) return [];
    const entry = cacheEntry(diffId.slice('sha256:'.length), 'regular', meta.bytes);
    return [{ ...entry, Shared: inImages.has(diffId), CreatedAt: meta.created }];
  });
  const mounts = (await cacheMounts.usage()).map(({ name, bytes, isUsed }) => ({
    ...cacheEntry(name, 'exec.cachemount', bytes),
    InUse: isUsed,
  }));
  const BuildCache = [...stepLayers, ...mounts];
  const BuilderSize = BuildCache.reduce((sum, { Shared, Size }) => sum + (Shared ? 0 : Size), 0);
  return { BuildCache, BuilderSize };
}

function cacheEntry(ID: string, Type: string, Size: number) {
  return {
    ID,
    Type,
    Description: Type === 'regular' ? 'a step of a build' : 'a cache mount of builds',
    InUse: false,
    Shared: false,
    Size,
    CreatedAt: '0001-01-01T00:00:00Z',
    LastUsedAt: null,
    UsageCount: 1,
  };
}
