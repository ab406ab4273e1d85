// Which files the helper is to see as a container's: through its shim while it runs, put together from layers and mounts while it rests.
// A container at rest is held for as long as its files are worked on: a start must not mount the same folders meanwhile.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from '../containers/container.ts';
import type { ContainerRecord } from '../containers/container-config.ts';
import type { ContainerFiles } from '../containers/container-files.ts';
import { mountSpecs, type VolumePlace } from '../containers/mount-specs.ts';
import { mountsOf } from '../containers/plan-mounts.ts';
import type { LayerStore } from '../images/layer-store.ts';
import type { ArchiveRoot, Helper } from '../runtime/helper.ts';
import { parseVolumeOptions } from '../volumes/volume-options.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';

export interface RootParts {
  helper: Helper;
  files: ContainerFiles;
  layers: LayerStore;
  volumes: VolumeStore;
}

export async function withContainerRoot<T>(
  container: Container,
  parts: RootParts,
  work: (root: ArchiveRoot) => Promise<T>,
): Promise<T> {
  if (!container.isRunning) {
    const done = await container.exclusive(async () =>
      container.isRunning ? undefined : { value: await work(restingRoot(container.record, parts)) },
    );
    if (done) return done.value;
  }
  return work({ runDir: parts.files.runDir(container.id) });
}

/** The image and what the container wrote, without any mount: what export, diff and copy-up see. */
export function writtenRoot(
  record: ContainerRecord,
  { files, layers }: Pick<RootParts, 'files' | 'layers'>,
): { lower: string[] } {
  return { lower: [join(files.stateDir(record.id), 'upper'), ...lowerOf(record, layers)] };
}

/** Topmost first. */
export function lowerOf(record: ContainerRecord, layers: LayerStore): string[] {
  return record.layers.map((diffId) => layers.diffDir(diffId)).toReversed();
}

function restingRoot(record: ContainerRecord, parts: RootParts): ArchiveRoot {
  const dir = parts.files.stateDir(record.id);
  const mounts = mountSpecs(record, dir, volumePlaces(record, parts.volumes))
    .filter(({ type, source = '' }) => type === 'bind' && existsSync(source))
    .map(({ source = '', target, readonly, subpath }) => {
      return { source, target, readonly, ...(subpath === undefined ? {} : { subpath }) };
    });
  return {
    lower: lowerOf(record, parts.layers),
    upper: join(dir, 'upper'),
    work: join(dir, 'work'),
    readonly: record.hostConfig.ReadonlyRootfs,
    mounts,
  };
}

/** Memory-backed volumes are not there while nobody runs with them; a device that is missing shows nothing. */
function volumePlaces(record: ContainerRecord, volumes: VolumeStore): Record<string, VolumePlace> {
  const places: Record<string, VolumePlace> = {};
  for (const { volume } of mountsOf(record)) {
    const found = volumes.find(volume);
    if (!found) continue;
    const backing = parseVolumeOptions(found.options);
    const source =
      backing.kind === 'folder' ? volumes.mountpoint(volume) : backing.kind === 'bind' ? backing.device : '';
    places[volume] = { source, readonly: backing.kind === 'bind' && backing.readonly, recursive: true };
  }
  return places;
}
