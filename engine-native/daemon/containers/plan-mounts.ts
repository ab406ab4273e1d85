// All mounts of a container to be made, in Docker's order of precedence: image and anonymous volumes give way to --volumes-from, that to -v,
// --mount and --tmpfs. Pure: volumes without a name get one from the caller, who also makes what is missing.
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerConfig, ContainerRecord, HostConfig } from './container-config.ts';
import type { MountPoint } from './mount-point.ts';
import { anonymousVolume, parseBind, parseMount, parseTmpfs, parseVolumesFrom } from './parse-mounts.ts';

/** Sorted so that a mount inside another one comes after it. `mountsOfOther` gives the mounts of another container. */
export function planMounts(
  config: Pick<ContainerConfig, 'Volumes'>,
  hostConfig: Pick<HostConfig, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumesFrom'>,
  mountsOfOther: (container: string) => MountPoint[],
): MountPoint[] {
  const asked = [
    ...hostConfig.Binds.map(parseBind),
    ...hostConfig.Mounts.map(parseMount),
    ...Object.entries(hostConfig.Tmpfs).map(([target, options]) => parseTmpfs(target, options)),
  ];
  const byTarget = new Map<string, MountPoint>();
  for (const mount of asked) {
    if (byTarget.has(mount.target))
      throw new AppError('bad_request', `Duplicate mount point: ${mount.target}`);
    byTarget.set(mount.target, mount);
  }
  const lower = [
    ...hostConfig.VolumesFrom.toReversed().flatMap((from) => inherited(from, mountsOfOther)),
    ...Object.keys(config.Volumes).map(anonymousVolume),
  ];
  for (const mount of lower) if (!byTarget.has(mount.target)) byTarget.set(mount.target, mount);
  return [...byTarget.values()].sort((a, b) => depth(a.target) - depth(b.target));
}

/** The mounts of a container that exists; one older than volumes has none but binds and memory. */
export function mountsOf(record: ContainerRecord): MountPoint[] {
  if (record.mounts) return record.mounts;
  const { Binds, Tmpfs } = record.hostConfig;
  return planMounts({ Volumes: {} }, { Binds, Tmpfs, Mounts: [], VolumesFrom: [] }, () => []);
}

function inherited(from: string, mountsOfOther: (container: string) => MountPoint[]): MountPoint[] {
  const { container, readonly } = parseVolumesFrom(from);
  return mountsOfOther(container)
    .filter(({ type }) => type !== 'tmpfs')
    .map((mount) => ({ ...mount, noCopy: true, readonly: mount.readonly || (readonly ?? false) }));
}

function depth(path: string): number {
  return path.split('/').length;
}
