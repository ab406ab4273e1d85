// The volumes of a manifest: emptyDir, and hostPath where it is allowed. Pure.
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { type ManifestFields, wrong } from './manifest-fields.ts';
import { hostPathTypes, type PodPermissions, type VolumePlan } from './pod-spec.ts';
import { parseBytes } from './quantity.ts';

const kinds = ['emptyDir', 'hostPath'];

export function parseVolumes(list: ManifestFields[], allowed: PodPermissions): VolumePlan[] {
  const names = new Set<string>();
  return list.map((fields) => {
    const volume = parseVolume(fields, allowed);
    if (names.has(volume.name)) throw wrong(fields.at('name'), `is "${volume.name}", which is there twice`);
    names.add(volume.name);
    return volume;
  });
}

function parseVolume(fields: ManifestFields, allowed: PodPermissions): VolumePlan {
  const name = fields.requiredText('name');
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
    throw wrong(fields.at('name'), `is "${name.slice(0, 80)}"`, 'use a-z, 0-9 and dashes, 63 at most');
  const other = fields.keys().find((key) => key !== 'name' && !kinds.includes(key));
  if (other !== undefined)
    throw new AppError('unsupported', `"${fields.at(other.slice(0, 80))}" is not supported by this engine`, {
      hint: 'use emptyDir or hostPath',
    });
  const [empty, host] = [fields.object('emptyDir'), fields.object('hostPath')];
  if (host && !empty) return parseHostPath(host, name, allowed);
  if (!empty || host) throw wrong(fields.path, 'must be one of emptyDir and hostPath', 'write emptyDir: {}');
  const medium = empty.word('medium', ['', 'Memory'] as const) ?? '';
  const limit = empty.scalar('sizeLimit');
  const sizeLimitBytes = limit === undefined ? 0 : parseBytes(limit, empty.at('sizeLimit'));
  empty.end();
  return { kind: 'empty', name, inMemory: medium === 'Memory', sizeLimitBytes };
}

function parseHostPath(host: ManifestFields, name: string, allowed: PodPermissions): VolumePlan {
  if (!allowed.hostPath)
    throw new AppError('forbidden', `"${host.path}" shows a folder of the host to the pod`, {
      hint: 'allow it with --allow-host-path, when you trust the manifest',
    });
  const path = host.requiredText('path');
  const type = host.word('type', hostPathTypes) ?? '';
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw wrong(host.at('path'), `is "${path.slice(0, 200)}"`, 'write an absolute path without ".."');
  host.end();
  return { kind: 'host', name, path: posix.normalize(path).replace(/(?<=.)\/+$/, ''), type };
}
