// Makes what the mounts of a new container need: volumes that are not there, names for anonymous ones, folders for `-v /source:…`.
// Called by create-container.ts. What it made for a container that then fails is the caller's to give back.
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { HostConfig, MountRequest } from '../containers/container-config.ts';
import type { MountPoint } from '../containers/mount-point.ts';
import { invalid } from '../containers/parse-mount-request.ts';
import { checkPropagation } from './check-propagation.ts';
import type { VolumeStore } from './volume-store.ts';

/** The mounts with every volume's name filled in. */
export function claimVolumes(
  mounts: MountPoint[],
  hostConfig: Pick<HostConfig, 'Mounts' | 'VolumeDriver'>,
  volumes: VolumeStore,
): MountPoint[] {
  const requestOf = (mount: MountPoint) =>
    hostConfig.Mounts.find(
      ({ Target }) => posix.normalize(Target).replace(/(?<=.)\/+$/, '') === mount.target,
    );
  for (const mount of mounts) if (mount.type === 'bind') prepareSource(mount, requestOf(mount));
  const made: string[] = [];
  try {
    return mounts.map((mount) => {
      if (mount.type !== 'volume') return mount;
      const options = requestOf(mount)?.VolumeOptions;
      const { name } = volumes.create({
        name: mount.volume,
        driver: options?.DriverConfig.Name || hostConfig.VolumeDriver,
        options: options?.DriverConfig.Options ?? {},
        labels: options?.Labels ?? {},
      });
      if (mount.volume === '') made.push(name);
      return { ...mount, volume: name, source: volumes.mountpoint(name) };
    });
  } catch (error) {
    for (const name of made) volumes.remove(name);
    throw asBadRequest(error);
  }
}

/** A 404 of a create request means to the docker CLI that the image is missing: it would pull one and hide what is wrong. */
function asBadRequest(error: unknown): unknown {
  const isMissing = error instanceof AppError && error.code === 'not_found';
  return isMissing ? new AppError('bad_request', error.message, { cause: error }) : error;
}

/** As Docker does: a missing source of `-v` becomes a folder, one of `--mount` is an error. */
function prepareSource({ source, propagation }: MountPoint, request: MountRequest | undefined): void {
  if (!['', 'private', 'rprivate'].includes(propagation))
    checkPropagation(source, propagation, readFileSync('/proc/self/mountinfo', 'utf8'));
  if (statSync(source, { throwIfNoEntry: false })) return;
  if (request && request.BindOptions?.CreateMountpoint !== true)
    throw invalid('bind', `bind source path does not exist: ${source}`);
  mkdirSync(source, { recursive: true });
}

/** Takes the anonymous volumes of a container that is gone; one that somebody else uses stays. */
export function dropAnonymousVolumes(mounts: MountPoint[], volumes: VolumeStore): void {
  for (const { volume, named } of mounts) {
    if (volume !== '' && !named && volumes.find(volume) && volumes.usersOf(volume).length === 0)
      volumes.remove(volume);
  }
}
