// From a container's record to the spec its shim is started with: data in, data out, tested without root.
// Must never touch the system; what it needs to know about it comes in `Surroundings`.
import { release } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type {
  ContainerSpec,
  MountSpec,
  NamespaceSpec,
  NetworkSpec,
  ProcessSpec,
} from '../runtime/container-spec.ts';
import type { ContainerRecord, HostConfig } from './container-config.ts';
import { logLimits } from './log-options.ts';
import { commandOf, mergeEnv } from './merge-image-config.ts';
import { mountSpecs, type VolumePlace } from './mount-specs.ts';
import { parseDeviceRule } from './parse-resources.ts';
import { ociSeccomp } from './seccomp-profile.ts';
import { capabilitySet, checkSysctl, maskedPaths, readonlyPaths } from './security-defaults.ts';
import { securityOptions } from './security-options.ts';

export interface Surroundings {
  runDir: string;
  stateDir: string;
  cgroup: string;
  /** ROOT/layers/<hex>/diff of each layer, lowest first. */
  layerDirs: string[];
  network: NetworkSpec;
  ports: ContainerSpec['ports'];
  /** /proc/…/ns/… of the container whose namespaces are joined, by kind. */
  joined: { pid?: string; ipc?: string; uts?: string; net?: string; user?: string; shm?: string };
  devices: ContainerSpec['devices'];
  hostHostname: string;
  awaitAttach: boolean;
  /** Folder with the hosts, hostname and resolv.conf to show; another container's when its network is joined. */
  etcDir: string;
  tty: { rows: number; cols: number };
  /** Where each volume of its mounts lies, by name. */
  volumes: Record<string, VolumePlace>;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const defaultPidsLimit = 4096;
const defaultShmBytes = 64 * 1024 * 1024;
const defaultNofile = 65_536;
const usernsSize = 65_536;

export function buildSpec(record: ContainerRecord, around: Surroundings): ContainerSpec {
  const { config, hostConfig } = record;
  const userns = record.usernsBase === null ? null : usernsOf(record.usernsBase, around);
  const hostname =
    config.Hostname || (around.network.mode === 'host' ? around.hostHostname : record.id.slice(0, 12));
  const options = securityOptions(hostConfig);
  return {
    id: record.id,
    runDir: around.runDir,
    stateDir: around.stateDir,
    root: {
      lower: [...around.layerDirs].reverse(),
      upper: join(around.stateDir, 'upper'),
      work: join(around.stateDir, 'work'),
      readonly: hostConfig.ReadonlyRootfs,
    },
    process: mainProcess(record, hostname, around),
    init: hostConfig.Init,
    awaitAttach: around.awaitAttach,
    hostname,
    domainname: config.Domainname,
    userns,
    namespaces: namespacesOf(hostConfig, around),
    network: around.network,
    ports: around.ports,
    mounts: withSharedMemory(mountSpecs(record, around.etcDir, around.volumes), record, around),
    shmSize: hostConfig.ShmSize || defaultShmBytes,
    capabilities: capabilitySet(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged),
    noNewPrivileges: options.noNewPrivileges,
    seccomp: options.seccomp,
    ...(options.profile === undefined ? {} : { seccompProfile: seccompProfile(record, options.profile) }),
    privileged: hostConfig.Privileged,
    maskedPaths: hostConfig.Privileged ? [] : (hostConfig.MaskedPaths ?? maskedPaths),
    readonlyPaths: hostConfig.Privileged ? [] : (hostConfig.ReadonlyPaths ?? readonlyPaths),
    devices: around.devices,
    ...deviceRulesOf(hostConfig),
    sysctls: sysctlsOf(hostConfig, around, userns !== null),
    rlimits: rlimitsOf(hostConfig),
    oomScoreAdj: hostConfig.OomScoreAdj,
    cgroup: around.cgroup,
    ...(hostConfig.CgroupnsMode === 'host' ? { cgroupns: 'host' as const } : {}),
    resources: resourcesOf(hostConfig),
    ...(hostConfig.LogConfig.Type === 'none' ? {} : { log: logOf(hostConfig, around.stateDir) }),
  };
}

function mainProcess(record: ContainerRecord, hostname: string, around: Surroundings): ProcessSpec {
  const { config } = record;
  return {
    args: commandOf(config),
    env: processEnv(config.Env, hostname, config.Tty),
    cwd: config.WorkingDir || '/',
    user: config.User,
    ...groupsOf(record.hostConfig),
    tty: config.Tty,
    rows: around.tty.rows || (record.hostConfig.ConsoleSize?.[0] ?? 0),
    cols: around.tty.cols || (record.hostConfig.ConsoleSize?.[1] ?? 0),
    stdin: config.OpenStdin,
  };
}

function seccompProfile({ hostConfig }: ContainerRecord, text: string): object {
  return ociSeccomp(text, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    kernel: release(),
    capabilities: capabilitySet(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged),
  });
}

/** Only who owns a pid namespace sees its /proc: a joined one is shared with its user namespace. */
function usernsOf(base: number, { joined }: Surroundings): NonNullable<ContainerSpec['userns']> {
  return { base, size: usernsSize, ...(joined.user === undefined ? {} : { join: joined.user }) };
}

/** Who shares the IPC namespace shares /dev/shm, which belongs to it by every user's understanding but not by the kernel's. */
function withSharedMemory(
  mounts: MountSpec[],
  { hostConfig, usernsBase }: ContainerRecord,
  { joined }: Surroundings,
): MountSpec[] {
  const target = '/dev/shm';
  const isShared = hostConfig.IpcMode === 'host' || joined.shm !== undefined;
  if (!isShared || mounts.some((mount) => mount.target === target)) return mounts;
  const source = joined.shm === undefined ? { idmap: usernsBase !== null } : { mountNamespace: joined.shm };
  return [...mounts, { type: 'bind', source: target, target, readonly: false, recursive: false, ...source }];
}

/** --group-add, for the main process and for every exec. */
export function groupsOf({ GroupAdd }: HostConfig): { groups?: string[] } {
  return GroupAdd && GroupAdd.length > 0 ? { groups: GroupAdd } : {};
}

function deviceRulesOf({ DeviceCgroupRules }: HostConfig): Pick<ContainerSpec, 'deviceRules'> {
  const rules = DeviceCgroupRules ?? [];
  return rules.length > 0 ? { deviceRules: rules.map(parseDeviceRule) } : {};
}

/** What every process of a container finds in its environment, execs included. */
export function processEnv(env: string[], hostname: string, tty: boolean): string[] {
  return mergeEnv([defaultPath, `HOSTNAME=${hostname}`, ...(tty ? ['TERM=xterm'] : [])], env);
}

function namespacesOf(hostConfig: HostConfig, around: Surroundings): ContainerSpec['namespaces'] {
  const net = around.network.mode === 'host' ? 'host' : (around.joined.net ?? null);
  return {
    pid: namespaceOf(hostConfig.PidMode, around.joined.pid),
    ipc: namespaceOf(hostConfig.IpcMode, around.joined.ipc),
    uts: namespaceOf(hostConfig.UTSMode, around.joined.uts),
    net,
  };
}

function namespaceOf(mode: string, joined: string | undefined): NamespaceSpec {
  if (mode === 'host') return 'host';
  if (mode === '' || mode === 'private' || mode === 'shareable') return null;
  if (joined !== undefined) return joined;
  throw new AppError('bad_request', `namespace mode "${mode}" does not exist`, {
    hint: 'use private, host or container:<name>',
  });
}

function sysctlsOf(hostConfig: HostConfig, around: Surroundings, userns: boolean): Record<string, string> {
  const hostNetwork = around.network.mode === 'host';
  for (const name of Object.keys(hostConfig.Sysctls))
    checkSysctl(name, { hostNetwork, hostIpc: hostConfig.IpcMode === 'host' });
  const ownNetwork = !hostNetwork && around.joined.net === undefined;
  // The shim writes sysctls through the container's own /proc, which a joined pid namespace does not give.
  const ownPids = hostConfig.PidMode === '' || hostConfig.PidMode === 'private';
  if (!ownNetwork || !ownPids) return hostConfig.Sysctls;
  return {
    // ping without a capability; a user namespace knows only the groups that are mapped into it
    'net.ipv4.ping_group_range': userns ? `0 ${usernsSize - 1}` : '0 2147483647',
    'net.ipv4.ip_unprivileged_port_start': '0',
    ...hostConfig.Sysctls,
  };
}

function rlimitsOf(hostConfig: HostConfig): ContainerSpec['rlimits'] {
  const given = hostConfig.Ulimits.map(({ Name, Soft, Hard }) => ({
    type: Name.toLowerCase(),
    soft: Soft,
    hard: Hard,
  }));
  const hasNofile = given.some(({ type }) => type === 'nofile');
  return hasNofile ? given : [...given, { type: 'nofile', soft: defaultNofile, hard: defaultNofile }];
}

/** Docker's numbers as the kernel wants them. Also used by update. */
export function resourcesOf(hostConfig: HostConfig): ContainerSpec['resources'] {
  const { Memory, MemorySwap, NanoCpus, CpuQuota, CpuPeriod, CpuShares, PidsLimit } = hostConfig;
  const cpuPeriod = CpuPeriod || 100_000;
  return {
    memory: Memory,
    // Docker's rule: unset means as much swap as memory, -1 means no limit. Both count together.
    memorySwap: MemorySwap || Memory * 2,
    cpuQuota: NanoCpus > 0 ? Math.round((NanoCpus * cpuPeriod) / 1e9) : Math.max(-1, CpuQuota),
    cpuPeriod,
    cpuShares: CpuShares,
    pids: PidsLimit < 0 ? -1 : PidsLimit || defaultPidsLimit,
    ...rareResources(hostConfig),
  };
}

/** Limits that few ask for stay out of the spec of everybody else. */
function rareResources(hostConfig: HostConfig): Partial<ContainerSpec['resources']> {
  const { MemoryReservation, MemorySwappiness, OomKillDisable, CpusetCpus, CpusetMems, BlkioWeight } =
    hostConfig;
  return {
    ...(MemoryReservation ? { memoryReservation: MemoryReservation } : {}),
    ...(MemorySwappiness !== null && MemorySwappiness !== undefined && MemorySwappiness >= 0
      ? { swappiness: MemorySwappiness }
      : {}),
    ...(OomKillDisable ? { oomKillDisable: true } : {}),
    ...(CpusetCpus ? { cpusetCpus: CpusetCpus } : {}),
    ...(CpusetMems ? { cpusetMems: CpusetMems } : {}),
    ...(BlkioWeight ? { blkioWeight: BlkioWeight } : {}),
  };
}

function logOf(hostConfig: HostConfig, stateDir: string): NonNullable<ContainerSpec['log']> {
  return { path: join(stateDir, 'log', 'current'), ...logLimits(hostConfig.LogConfig) };
}
