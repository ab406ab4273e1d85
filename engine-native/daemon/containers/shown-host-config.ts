// HostConfig as Docker's clients expect to read it in an inspect: every field of Docker's, with the engine's meaning where it has one. Only data.
import type { ContainerRecord } from './container-config.ts';
import { maskedPaths, readonlyPaths } from './security-defaults.ts';

export function shownHostConfig({ hostConfig }: ContainerRecord): object {
  return {
    ContainerIDFile: '',
    PortBindings: {},
    PublishAllPorts: false,
    Links: null,
    Cgroup: '',
    CgroupParent: '',
    CgroupnsMode: 'private',
    Isolation: '',
    Runtime: 'berth',
    BlkioDeviceReadBps: [],
    BlkioDeviceReadIOps: [],
    BlkioDeviceWriteBps: [],
    BlkioDeviceWriteIOps: [],
    BlkioWeightDevice: [],
    CpuCount: 0,
    CpuPercent: 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    DeviceRequests: null,
    IOMaximumBandwidth: 0,
    IOMaximumIOps: 0,
    ...hostConfig,
    ...(hostConfig.CgroupnsMode ? {} : { CgroupnsMode: 'private' }),
    ...(hostConfig.IpcMode ? {} : { IpcMode: 'private' }),
    MaskedPaths: hostConfig.Privileged ? null : (hostConfig.MaskedPaths ?? maskedPaths),
    ReadonlyPaths: hostConfig.Privileged ? null : (hostConfig.ReadonlyPaths ?? readonlyPaths),
    ShmSize: hostConfig.ShmSize || 64 * 1024 * 1024,
    RestartPolicy: {
      ...hostConfig.RestartPolicy,
      Name: hostConfig.RestartPolicy.Name || 'no',
    },
  };
}
