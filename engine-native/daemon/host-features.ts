// What this machine's control groups can limit, as `info` tells it and as create warns about it. Read once; changes nothing.
import { existsSync, readFileSync } from 'node:fs';

export interface HostFeatures {
  version: '1' | '2';
  memory: boolean;
  swap: boolean;
  oomKillDisable: boolean;
  swappiness: boolean;
  cpuShares: boolean;
  cpuQuota: boolean;
  cpuset: boolean;
  pids: boolean;
  blkioWeight: boolean;
}

const root = '/sys/fs/cgroup';
let known: HostFeatures | undefined;

export function hostFeatures(): HostFeatures {
  known ??= existsSync(`${root}/cgroup.controllers`) ? featuresOfV2() : featuresOfV1();
  return known;
}

function featuresOfV1(): HostFeatures {
  const has = (path: string) => existsSync(`${root}/${path}`);
  return {
    version: '1',
    memory: has('memory/memory.limit_in_bytes'),
    swap: has('memory/memory.memsw.limit_in_bytes'),
    oomKillDisable: has('memory/memory.oom_control'),
    swappiness: has('memory/memory.swappiness'),
    cpuShares: has('cpu/cpu.shares'),
    cpuQuota: has('cpu/cpu.cfs_quota_us'),
    cpuset: has('cpuset/cpuset.cpus'),
    pids: has('pids/cgroup.procs'),
    // The root group has no weight of its own; its scheduler shows by the counters it keeps.
    blkioWeight: has('blkio/blkio.weight') || has('blkio/blkio.bfq.io_service_bytes'),
  };
}

function featuresOfV2(): HostFeatures {
  const controllers = readFileSync(`${root}/cgroup.controllers`, 'utf8').trim().split(' ');
  const has = (name: string) => controllers.includes(name);
  return {
    version: '2',
    memory: has('memory'),
    swap: has('memory') && /^SwapTotal:/m.test(readFileSync('/proc/meminfo', 'utf8')),
    oomKillDisable: false,
    swappiness: false,
    cpuShares: has('cpu'),
    cpuQuota: has('cpu'),
    cpuset: has('cpuset'),
    pids: has('pids'),
    blkioWeight: has('io'),
  };
}
