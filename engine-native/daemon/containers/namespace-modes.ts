// --pid, --ipc, --uts, --userns and --cgroupns: which modes exist, what may be joined, and which container is meant. Asked at create, when the
// user still looks. A namespace that was not asked for is always one of the container's own.
import { AppError } from '@berth/kit/errors.ts';
import type { Container } from './container.ts';
import type { HostConfig } from './container-config.ts';
import type { ContainerRegistry } from './container-registry.ts';

const modes = {
  PidMode: ['', 'host', 'private'],
  IpcMode: ['', 'host', 'private', 'shareable'],
  UTSMode: ['', 'host'],
  UsernsMode: ['', 'host', 'private'],
  CgroupnsMode: ['', 'host', 'private'],
} as const;

const flags = { PidMode: 'PID', IpcMode: 'IPC', UTSMode: 'UTS', UsernsMode: 'USER', CgroupnsMode: 'CGROUP' };

export function checkNamespaces(hostConfig: HostConfig, { registry }: { registry: ContainerRegistry }): void {
  for (const name of Object.keys(modes) as (keyof typeof modes)[]) {
    const mode = hostConfig[name] ?? '';
    const joins = ['PidMode', 'IpcMode', 'UTSMode'].includes(name) && mode.startsWith('container:');
    if (joins) continue;
    if (mode === 'none' && name === 'IpcMode')
      throw new AppError('unsupported', 'a container without any IPC namespace is not supported', {
        hint: 'use private',
      });
    if (!(modes[name] as readonly string[]).includes(mode))
      throw new AppError('bad_request', `invalid ${flags[name]} mode: ${mode}`);
  }
  const ipc = joinedBy(hostConfig.IpcMode, registry);
  if (ipc && !['shareable', 'host'].includes(ipc.record.hostConfig.IpcMode))
    throw new AppError('conflict', `can't join IPC of container ${ipc.id}: non-shareable IPC`, {
      hint: 'use IpcMode:shareable for the donor container',
    });
  joinedBy(hostConfig.PidMode, registry);
  joinedBy(hostConfig.UTSMode, registry);
}

/** The container of `container:<name or id>`; undefined when the mode names none. */
export function joinedBy(mode: string, registry: ContainerRegistry): Container | undefined {
  if (!mode.startsWith('container:')) return undefined;
  const name = mode.slice('container:'.length);
  const owner = registry.find(name);
  // Not 404: docker run would take that for a missing image and pull it.
  if (!owner) throw new AppError('bad_request', `No such container: ${name}`);
  return owner;
}
