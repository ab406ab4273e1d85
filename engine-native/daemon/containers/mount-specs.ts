// A container's mount points as the shim wants them, and as inspect shows them. Pure.
import { join } from 'node:path';
import type { MountSpec } from '../runtime/container-spec.ts';
import type { ContainerRecord } from './container-config.ts';
import type { MountPoint } from './mount-point.ts';
import { mountsOf } from './plan-mounts.ts';

/** Where a volume's files are at this start. */
export interface VolumePlace {
  source: string;
  readonly: boolean;
  recursive: boolean;
}

/** Parents before what lies in them; the engine's own /etc files give way to a user's mount of the same name. */
export function mountSpecs(
  record: ContainerRecord,
  etcDir: string,
  volumes: Readonly<Record<string, VolumePlace>>,
): MountSpec[] {
  const idmap = record.usernsBase !== null;
  const readonly = record.hostConfig.ReadonlyRootfs;
  const etc = ['hosts', 'hostname', 'resolv.conf'].map((name): MountSpec => {
    return { type: 'bind', source: join(etcDir, name), target: `/etc/${name}`, readonly, idmap };
  });
  const own = mountsOf(record).map((mount) => specOf(mount, volumes, idmap));
  const targets = new Set(own.map(({ target }) => target));
  return [...etc.filter(({ target }) => !targets.has(target)), ...own].sort(
    (a, b) => a.target.split('/').length - b.target.split('/').length,
  );
}

function specOf(
  mount: MountPoint,
  volumes: Readonly<Record<string, VolumePlace>>,
  idmap: boolean,
): MountSpec {
  const { target, readonly, tmpfs } = mount;
  if (tmpfs) {
    const { size, mode, exec, suid, dev, uid, gid } = tmpfs;
    return {
      type: 'tmpfs',
      target,
      size,
      mode,
      readonly,
      ...(exec ? {} : { noexec: true }),
      ...(suid ? { suid } : {}),
      ...(dev ? { dev } : {}),
      ...(uid > 0 ? { uid } : {}),
      ...(gid > 0 ? { gid } : {}),
    };
  }
  const volume = volumes[mount.volume];
  return {
    type: 'bind',
    source: volume?.source ?? mount.source,
    target,
    readonly: readonly || (volume?.readonly ?? false),
    idmap: idmap && mount.idmap,
    ...(mount.subpath === '' ? {} : { subpath: mount.subpath }),
    ...(['', 'rprivate'].includes(mount.propagation) ? {} : { propagation: mount.propagation }),
    ...((volume?.recursive ?? mount.recursive) ? {} : { recursive: false }),
  };
}

/** The `Mounts` of inspect and ps. `--tmpfs` stands in HostConfig alone, as in Docker. */
export function describeMounts(record: ContainerRecord): object[] {
  return mountsOf(record)
    .filter(({ type, target }) => type !== 'tmpfs' || !Object.hasOwn(record.hostConfig.Tmpfs, target))
    .map(({ type, target, readonly, mode, source, volume, named, propagation }) => ({
      Type: type,
      ...(type === 'volume' ? { Name: volume } : {}),
      Source: source,
      Destination: target,
      ...(type === 'volume' ? { Driver: 'local' } : {}),
      Mode: mode === '' && named ? 'z' : mode,
      RW: !readonly,
      Propagation: propagation,
    }));
}
