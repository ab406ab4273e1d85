// What happens to volumes when a container starts and ends: memory-backed ones are mounted for as long as anybody runs with them, and both are events.
// Called by start-container.ts, finish-container.ts and recovery. releaseVolumes must never throw: nobody is there to catch.
import type { Logger } from '@berth/kit/logging.ts';
import type { Container } from '../containers/container.ts';
import type { VolumePlace } from '../containers/mount-specs.ts';
import { mountsOf } from '../containers/plan-mounts.ts';
import type { Events } from '../events.ts';
import type { Helper } from '../runtime/helper.ts';
import { parseVolumeOptions } from './volume-options.ts';
import { type VolumeStore, volumeSource } from './volume-store.ts';

export interface VolumeUseParts {
  volumes: VolumeStore;
  helper: Helper;
  events: Events;
  log: Logger;
}

/** Makes every volume of a container ready and says where each lies. */
export async function useVolumes(
  container: Container,
  parts: VolumeUseParts,
): Promise<Record<string, VolumePlace>> {
  const places: Record<string, VolumePlace> = {};
  for (const { volume } of mountsOf(container.record)) {
    if (volume !== '') places[volume] ??= await placeOf(volume, container.id, parts);
  }
  return places;
}

async function placeOf(
  name: string,
  containerId: string,
  { volumes, helper }: VolumeUseParts,
): Promise<VolumePlace> {
  // One that was removed behind the engine's back comes back empty: a restart must not fail for ever.
  const record = volumes.find(name) ?? volumes.create({ name, driver: '', options: {}, labels: {} });
  const backing = parseVolumeOptions(record.options);
  const mountpoint = volumes.mountpoint(name);
  if (backing.kind === 'tmpfs') {
    volumes.hold(name, containerId);
    await volumes.inTurn(() => helper.mountTmpfs(mountpoint, backing.options, backing.noexec));
  }
  return {
    source: volumeSource(record, mountpoint),
    readonly: backing.kind !== 'folder' && backing.readonly,
    recursive: backing.kind === 'bind' && backing.recursive,
  };
}

export function publishMounts(container: Container, { events }: { events: Events }): void {
  for (const { volume, target, propagation, readonly } of mountsOf(container.record)) {
    if (volume === '') continue;
    events.publish('volume', 'mount', volume, {
      container: container.id,
      destination: target,
      driver: 'local',
      propagation,
      'read/write': String(!readonly),
    });
  }
}

/** After the end of a run. The last one to end takes a memory-backed volume's files with it. */
export function releaseVolumes(container: Container, parts: VolumeUseParts): void {
  for (const { volume } of mountsOf(container.record)) {
    if (volume === '') continue;
    parts.events.publish('volume', 'unmount', volume, { container: container.id, driver: 'local' });
  }
  letVolumesGo(container, parts);
}

/** The same for a start that failed: nothing was shown to anybody, so there is no event. */
export function letVolumesGo(container: Container, parts: VolumeUseParts): void {
  for (const { volume } of mountsOf(container.record)) {
    if (volume === '') continue;
    parts.volumes.letGo(volume, container.id);
    void parts.volumes.inTurn(() => unmountUnused(volume, parts));
  }
}

/** A container that runs already when the daemon starts. */
export function adoptVolumes(container: Container, volumes: VolumeStore): void {
  for (const { volume } of mountsOf(container.record)) if (volume !== '') volumes.hold(volume, container.id);
}

async function unmountUnused(name: string, { volumes, helper, log }: VolumeUseParts): Promise<void> {
  const record = volumes.find(name);
  if (!record || parseVolumeOptions(record.options).kind !== 'tmpfs' || volumes.isHeld(name)) return;
  try {
    await helper.unmount(volumes.mountpoint(name));
  } catch (err) {
    log.warn({ err, volume: name }, 'volume stays mounted until the next start');
  }
}

/** At the daemon's start and end: no memory-backed volume stays mounted that nobody runs with. */
export async function unmountUnusedVolumes(parts: VolumeUseParts): Promise<void> {
  for (const { name } of parts.volumes.list()) await parts.volumes.inTurn(() => unmountUnused(name, parts));
}
