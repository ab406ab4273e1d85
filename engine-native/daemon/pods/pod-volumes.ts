// The volumes of a pod: made with it, gone with it. An emptyDir can be written by every user of the pod, as Kubernetes has it.
import { chmodSync, lstatSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { podIdLabel, podLabel, volumeName, volumeOptions } from './container-requests.ts';
import type { PodRecord } from './pod.ts';
import type { HostPathType, VolumePlan } from './pod-spec.ts';

/** Everything that would fail at a start fails here. */
export function makeVolumes(record: PodRecord, volumes: VolumeStore): void {
  const { spec, id } = record;
  for (const volume of spec.volumes) {
    if (volume.kind === 'host') checkHostPath(volume.path, volume.type);
    const options = volumeOptions(volume, subPathsOf(record, volume.name).length > 0);
    if (!options) continue;
    const name = volumeName(id, volume.name);
    const labels = { [podLabel]: spec.name, [podIdLabel]: id };
    volumes.create({ name, driver: '', options, labels });
    record.volumes[volume.name] = name;
    if (volume.kind === 'empty' && !volume.inMemory) chmodSync(volumes.mountpoint(name), 0o777);
  }
}

/**
 * The folders that subPath names, where they are missing. Called while nothing but the infra container of the pod runs, and never through
 * a link: an earlier run may have left one that leads out (the class of CVE-2017-1002101).
 */
export function makeSubPaths(record: PodRecord, volumes: VolumeStore): void {
  for (const volume of record.spec.volumes) {
    const name = record.volumes[volume.name];
    if (volume.kind !== 'empty' || name === undefined) continue;
    for (const path of subPathsOf(record, volume.name)) makeBelow(volumes.mountpoint(name), path);
  }
}

/** By their label: a pod that was half made when the daemon was killed has no list of them. */
export function removeVolumes({ id }: PodRecord, volumes: VolumeStore): void {
  const own = volumes.list().filter(({ labels }) => labels[podIdLabel] === id);
  for (const { name } of own) if (volumes.usersOf(name).length === 0) volumes.remove(name);
}

/** Names of the disk-backed volumes with a limit, with the engine's names. */
export function limitedVolumes({
  spec,
  volumes,
}: PodRecord): { name: string; volume: string; limit: number }[] {
  return spec.volumes.flatMap((plan: VolumePlan) => {
    const volume = volumes[plan.name];
    if (plan.kind !== 'empty' || plan.inMemory || plan.sizeLimitBytes === 0 || volume === undefined)
      return [];
    return [{ name: plan.name, volume, limit: plan.sizeLimitBytes }];
  });
}

function subPathsOf({ spec }: PodRecord, volume: string): string[] {
  return [...spec.initContainers, ...spec.containers]
    .flatMap(({ mounts }) => mounts)
    .filter((mount) => mount.volume === volume && mount.subPath !== '')
    .map(({ subPath }) => subPath);
}

function makeBelow(root: string, path: string): void {
  let current = root;
  for (const part of path.split('/').filter((each) => each !== '')) {
    current = join(current, part);
    const found = lstatSync(current, { throwIfNoEntry: false });
    if (found?.isFile()) return; // a file may be mounted, too
    if (found && !found.isDirectory())
      throw new AppError('conflict', `subPath "${path}" leads through something that is no folder`);
    if (found) continue;
    mkdirSync(current);
    chmodSync(current, 0o777);
  }
}

function checkHostPath(path: string, type: HostPathType): void {
  const refuse = (reason: string) =>
    new AppError('bad_request', `hostPath "${path}" ${reason}`, { hint: 'see its type' });
  try {
    if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 });
    if (type === 'FileOrCreate') writeFileSync(path, '', { flag: 'a', mode: 0o644 });
  } catch (error) {
    throw refuse(`cannot be made (${systemCode(error) ?? 'no reason given'})`);
  }
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw refuse('does not exist');
  const isRight: Record<HostPathType, boolean> = {
    '': true,
    DirectoryOrCreate: found.isDirectory(),
    Directory: found.isDirectory(),
    FileOrCreate: found.isFile(),
    File: found.isFile(),
    Socket: found.isSocket(),
    CharDevice: found.isCharacterDevice(),
    BlockDevice: found.isBlockDevice(),
  };
  if (!isRight[type]) throw refuse(`is no ${type.replace('OrCreate', '')}`);
}
