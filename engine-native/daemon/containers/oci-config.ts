// From a spec of ours to the config.json of another OCI runtime (runtime-spec 1.0): data in, data out. What the shim has prepared below `place`
// (PROTOCOL.md, "Another runtime") is named by its path there. The shim adds what only it knows: user, capabilities, rlimits, system calls.
import { join } from 'node:path';
import type {
  ContainerSpec,
  DeviceRuleSpec,
  MountSpec,
  NamespaceSpec,
  ResourceSpec,
} from '../runtime/container-spec.ts';

interface OciMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

const harmless = ['nosuid', 'noexec', 'nodev'];

export function ociConfig(spec: ContainerSpec, place: string, annotations: Record<string, string>): object {
  return {
    ociVersion: '1.0.2',
    root: { path: join(place, 'bundle/rootfs'), readonly: spec.root.readonly },
    ...(spec.namespaces.uts === null ? { hostname: spec.hostname } : {}),
    process: { oomScoreAdj: spec.oomScoreAdj },
    mounts: [
      ...ownMounts(spec, place),
      ...spec.mounts.map((mount, index) => volume(mount, join(place, 'mounts', String(index)))),
    ],
    annotations,
    linux: {
      namespaces: namespacesOf(spec, place),
      ...mappingsOf(spec),
      cgroupsPath: `/${spec.cgroup}`,
      resources: { ...resourcesOf(spec.resources), devices: deviceRulesOf(spec) },
      devices: spec.devices.map(({ path, type, major, minor }) => ({
        path,
        type,
        major,
        minor,
        fileMode: 0o666,
        uid: 0,
        gid: 0,
      })),
      sysctl: spec.sysctls,
      maskedPaths: spec.maskedPaths,
      readonlyPaths: spec.readonlyPaths,
    },
  };
}

/** A user namespace may mount proc and sysfs only for namespaces that it owns; the shim gives the host's view then, as for its own containers. */
function ownMounts(spec: ContainerSpec, place: string): OciMount[] {
  const { userns, namespaces, shmSize, mounts, privileged } = spec;
  const hostSys = userns !== null && namespaces.net !== null;
  const hostProc =
    userns !== null && namespaces.pid !== null && (userns.join === undefined || namespaces.pid === 'host');
  const fs = (destination: string, type: string, options: string[]): OciMount => ({
    destination,
    type,
    source: type,
    options,
  });
  const hasOwnShm = !mounts.some(({ target }) => target === '/dev/shm');
  return [
    hostProc ? prepared('/proc', join(place, 'proc')) : fs('/proc', 'proc', harmless),
    fs('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    fs('/dev/pts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    ...(hasOwnShm ? [fs('/dev/shm', 'tmpfs', [...harmless, 'mode=1777', `size=${shmSize}`])] : []),
    // Only the owner of an IPC namespace may mount its queues.
    ...(userns === null || namespaces.ipc === null ? [fs('/dev/mqueue', 'mqueue', harmless)] : []),
    hostSys
      ? prepared('/sys', join(place, 'sys'))
      : fs('/sys', 'sysfs', privileged ? harmless : [...harmless, 'ro']),
    ...(spec.cgroup === '' ? [] : [fs('/sys/fs/cgroup', 'cgroup', [...harmless, 'relatime', 'ro'])]),
  ];
}

/** What the shim has opened, mapped and made read-only already. */
function prepared(destination: string, source: string, options: string[] = []): OciMount {
  return { destination, type: 'bind', source, options: ['rbind', ...options] };
}

function volume(mount: MountSpec, source: string): OciMount {
  const { target, propagation = 'rprivate' } = mount;
  if (mount.type === 'bind') return prepared(target, source, propagation === 'rprivate' ? [] : [propagation]);
  return { destination: target, type: 'tmpfs', source: 'tmpfs', options: tmpfsOptions(mount) };
}

function tmpfsOptions(mount: MountSpec): string[] {
  const { size, mode = 1777, uid = 0, gid = 0 } = mount;
  return [
    ...(mount.suid ? [] : ['nosuid']),
    ...(mount.dev ? [] : ['nodev']),
    ...(mount.noexec ? ['noexec'] : []),
    ...(mount.readonly ? ['ro'] : []),
    ...(size ? [`size=${size}`] : []),
    `mode=${mode}`,
    ...(uid ? [`uid=${uid}`] : []),
    ...(gid ? [`gid=${gid}`] : []),
  ];
}

function namespacesOf({ namespaces, userns, cgroupns }: ContainerSpec, place: string): object[] {
  const one = (type: string, wanted: NamespaceSpec) =>
    wanted === 'host' ? [] : [wanted === null ? { type } : { type, path: wanted }];
  return [
    { type: 'mount' },
    ...one('pid', namespaces.pid),
    // Those of another container the shim has entered when it calls the runtime.
    ...(namespaces.ipc === null ? [{ type: 'ipc' }] : []),
    ...(namespaces.uts === null ? [{ type: 'uts' }] : []),
    ...(namespaces.net === null ? [{ type: 'network', path: join(place, 'ns/net') }] : []),
    ...(userns === null ? [] : one('user', userns.join ?? join(place, 'ns/user'))),
    ...(cgroupns === 'host' ? [] : [{ type: 'cgroup' }]),
  ];
}

function mappingsOf({ userns }: ContainerSpec): object {
  if (userns === null) return {};
  const mappings = [{ containerID: 0, hostID: userns.base, size: userns.size }];
  return { uidMappings: mappings, gidMappings: mappings };
}

/** The groups are the shim's, with their limits; these are the same once more, for runtimes that have to know how large a machine to make. */
function resourcesOf({ memory, cpuQuota, cpuPeriod, cpuShares, pids, cpusetCpus, cpusetMems }: ResourceSpec) {
  const cpu = {
    ...(cpuQuota > 0 ? { quota: cpuQuota, period: cpuPeriod } : {}),
    ...(cpuShares > 0 ? { shares: cpuShares } : {}),
    ...(cpusetCpus ? { cpus: cpusetCpus } : {}),
    ...(cpusetMems ? { mems: cpusetMems } : {}),
  };
  return {
    ...(memory > 0 ? { memory: { limit: memory } } : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
  };
}

function deviceRulesOf({ privileged, devices, deviceRules = [] }: ContainerSpec): object[] {
  if (privileged) return [{ allow: true, access: 'rwm' }];
  const rule = ({ type, major, minor, access }: DeviceRuleSpec | ContainerSpec['devices'][number]) => ({
    allow: true,
    type,
    ...(major < 0 ? {} : { major }),
    ...(minor < 0 ? {} : { minor }),
    access,
  });
  return [{ allow: false, access: 'rwm' }, ...devices.map(rule), ...deviceRules.map(rule)];
}
