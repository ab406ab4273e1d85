// Devices of the host for a container's spec: those named with --device, and all of them for a privileged one. Reads /dev, changes nothing.
import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { DeviceSpec } from '../runtime/container-spec.ts';
import type { DeviceRequest, HostConfig } from './container-config.ts';

/** Folders of /dev that are file systems of their own, and names that every container has its own of. */
const skipped = new Set(['pts', 'shm', 'fd', 'mqueue', 'hugepages', 'console', 'core', 'ptmx']);
const everyContainers = new Set(['null', 'zero', 'full', 'random', 'urandom', 'tty']);
const maxDevices = 500; // a spec takes 512; a machine with more has them in folders nobody means with --privileged
const maxDepth = 4;

export function devicesOf({ Devices, Privileged }: HostConfig): DeviceSpec[] {
  const named = Devices.flatMap(namedDevices);
  if (!Privileged) return named;
  const taken = new Set(named.map(({ path }) => path));
  const all = walk('/dev', '/dev', 'rwm', 0).filter(
    ({ path }) => !taken.has(path) && !everyContainers.has(path.slice('/dev/'.length)),
  );
  return [...named, ...all].slice(0, maxDevices);
}

/** A folder means every device in it. */
function namedDevices(device: DeviceRequest): DeviceSpec[] {
  const { PathOnHost, PathInContainer, CgroupPermissions } = device;
  const stat = statSync(PathOnHost, { throwIfNoEntry: false });
  if (!stat)
    throw new AppError(
      'bad_request',
      `error gathering device information while adding custom device "${PathOnHost}": no such file or directory`,
    );
  if (stat.isDirectory()) return walk(PathOnHost, PathInContainer, CgroupPermissions, 0);
  const spec = specOf(PathOnHost, PathInContainer, CgroupPermissions, stat);
  if (!spec) throw new AppError('bad_request', `"${PathOnHost}" is not a device node`);
  return [spec];
}

function walk(onHost: string, inside: string, access: string, depth: number): DeviceSpec[] {
  if (depth > maxDepth) return [];
  return readdirSync(onHost, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name) || entry.name.startsWith('.')) return [];
    const [from, to] = [join(onHost, entry.name), join(inside, entry.name)];
    if (entry.isDirectory()) return walk(from, to, access, depth + 1);
    const stat = entry.isSymbolicLink() ? undefined : statSync(from, { throwIfNoEntry: false });
    const spec = stat && specOf(from, to, access, stat);
    return spec ? [spec] : [];
  });
}

function specOf(from: string, to: string, access: string, stat: Stats): DeviceSpec | undefined {
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return undefined;
  return {
    path: to,
    source: realpathSync(from),
    type: stat.isCharacterDevice() ? 'c' : 'b',
    major: (stat.rdev >>> 8) & 0xfff,
    minor: (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00),
    access,
  };
}
