// The limits and devices of a create or update request. Pure. What no host or no kernel could honour is refused here, by Docker's words.
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import type { DeviceRuleSpec } from '../runtime/container-spec.ts';
import type { DeviceRequest, HostConfig } from './container-config.ts';

const minMemoryBytes = 6 * 1024 * 1024; // below that no program starts: better said now than as an out-of-memory kill

/** Fields of HostConfig that limit something, for which the engine has no means. */
const refused: Record<string, string> = {
  BlkioWeightDevice: 'use BlkioWeight',
  BlkioDeviceReadBps: 'use BlkioWeight',
  BlkioDeviceWriteBps: 'use BlkioWeight',
  BlkioDeviceReadIOps: 'use BlkioWeight',
  BlkioDeviceWriteIOps: 'use BlkioWeight',
  CpuRealtimePeriod: 'use CpuShares',
  CpuRealtimeRuntime: 'use CpuShares',
  KernelMemory: 'kernel memory counts as Memory',
  KernelMemoryTCP: 'kernel memory counts as Memory',
};

export type Resources = Pick<
  HostConfig,
  | 'Memory'
  | 'MemorySwap'
  | 'MemoryReservation'
  | 'MemorySwappiness'
  | 'OomKillDisable'
  | 'NanoCpus'
  | 'CpuQuota'
  | 'CpuPeriod'
  | 'CpuShares'
  | 'CpusetCpus'
  | 'CpusetMems'
  | 'PidsLimit'
  | 'BlkioWeight'
>;

export function parseResources(host: JsonFields): Resources {
  for (const [name, hint] of Object.entries(refused)) {
    if (host.isGiven(name))
      throw new AppError('unsupported', `"HostConfig.${name}" is not supported by this engine`, { hint });
  }
  return {
    Memory: atLeastZero(host, 'Memory'),
    MemorySwap: host.integer('MemorySwap') ?? 0,
    MemoryReservation: atLeastZero(host, 'MemoryReservation'),
    MemorySwappiness: host.integer('MemorySwappiness') ?? null,
    OomKillDisable: host.flag('OomKillDisable') ?? false,
    NanoCpus: atLeastZero(host, 'NanoCpus'),
    CpuQuota: host.integer('CpuQuota') ?? 0,
    CpuPeriod: atLeastZero(host, 'CpuPeriod'),
    CpuShares: atLeastZero(host, 'CpuShares'),
    CpusetCpus: host.text('CpusetCpus') ?? '',
    CpusetMems: host.text('CpusetMems') ?? '',
    PidsLimit: host.integer('PidsLimit') ?? 0,
    BlkioWeight: host.integer('BlkioWeight') ?? 0,
  };
}

/** The sums that must be right before a limit is written, in the words Docker's users know. */
export function checkResources(limits: Resources, hostCpus: number): void {
  const { Memory, MemorySwap, MemoryReservation = 0, NanoCpus, CpuQuota, CpuPeriod } = limits;
  const refuse = (when: boolean, message: string) => {
    if (when) throw new AppError('bad_request', message);
  };
  refuse(Memory > 0 && Memory < minMemoryBytes, 'Minimum memory limit allowed is 6MB');
  refuse(
    Memory > 0 && MemorySwap > 0 && MemorySwap < Memory,
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  );
  refuse(
    Memory === 0 && MemorySwap > 0,
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  );
  refuse(
    MemoryReservation > 0 && MemoryReservation < minMemoryBytes,
    'Minimum memory reservation allowed is 6MB',
  );
  refuse(
    Memory > 0 && MemoryReservation > Memory,
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  );
  const swappiness = limits.MemorySwappiness ?? -1;
  refuse(
    swappiness < -1 || swappiness > 100,
    `Invalid value: ${swappiness}, valid memory swappiness range is 0-100`,
  );
  refuse(NanoCpus > 0 && CpuPeriod > 0, 'Conflicting options: Nano CPUs and CPU Period cannot both be set');
  refuse(NanoCpus > 0 && CpuQuota > 0, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  refuse(
    NanoCpus > hostCpus * 1e9,
    `range of CPUs is from 0.01 to ${hostCpus}.00, as there are only ${hostCpus} CPUs available`,
  );
  refuse(
    CpuPeriod > 0 && (CpuPeriod < 1_000 || CpuPeriod > 1_000_000),
    'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
  );
  refuse(CpuQuota > 0 && CpuQuota < 1_000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)');
  checkCpuset(limits.CpusetCpus ?? '', hostCpus);
  const weight = limits.BlkioWeight ?? 0;
  refuse(weight !== 0 && (weight < 10 || weight > 1_000), 'Range of blkio weight is from 10 to 1000');
}

function checkCpuset(list: string, hostCpus: number): void {
  for (const part of list === '' ? [] : list.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) throw new AppError('bad_request', `Invalid value ${list} for cpuset cpus`);
    const last = Number(match[2] ?? match[1]);
    if (last >= hostCpus || last < Number(match[1]))
      throw new AppError(
        'bad_request',
        `Requested CPUs are not available - requested ${list}, available: 0-${hostCpus - 1}`,
      );
  }
}

function atLeastZero(host: JsonFields, name: string): number {
  const value = host.integer(name) ?? 0;
  if (value < 0) throw new AppError('bad_request', `"HostConfig.${name}" must not be negative`);
  return value;
}

export function parseUlimits(host: JsonFields): HostConfig['Ulimits'] {
  return host.objects('Ulimits').map((limit) => {
    const Soft = limit.integer('Soft') ?? 0;
    const Hard = limit.integer('Hard') ?? Soft;
    const Name = limit.text('Name') ?? '';
    if (Hard !== -1 && (Soft === -1 || Soft > Hard))
      throw new AppError(
        'bad_request',
        `ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`,
      );
    return { Name, Soft, Hard };
  });
}

export function parseDevice(device: JsonFields): DeviceRequest {
  const path = device.text('PathOnHost') ?? '';
  const inside = device.text('PathInContainer') || path;
  const access = device.text('CgroupPermissions') || 'rwm';
  if (!path.startsWith('/dev/')) throw new AppError('bad_request', `device "${path}" is not below /dev`);
  if (!inside.startsWith('/dev/'))
    throw new AppError('unsupported', `device "${path}" cannot be shown as "${inside}"`, {
      hint: 'name a path below /dev',
    });
  if (!/^[rwm]{1,3}$/.test(access))
    throw new AppError('bad_request', `invalid device mode: ${access}`, { hint: 'use r, w and m' });
  return { PathOnHost: path, PathInContainer: inside, CgroupPermissions: access };
}

/** `c 1:3 rwm`, `a *:* rwm`: major and minor may be `*`. */
export function parseDeviceRule(rule: string): DeviceRuleSpec {
  const match = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/.exec(rule);
  if (!match) throw new AppError('bad_request', `invalid device cgroup rule format: '${rule}'`);
  const [, type, major, minor, access] = match;
  const numberOf = (text: string | undefined) => (text === '*' ? -1 : Number(text));
  return {
    type: type as DeviceRuleSpec['type'],
    major: numberOf(major),
    minor: numberOf(minor),
    access: access ?? 'rwm',
  };
}
