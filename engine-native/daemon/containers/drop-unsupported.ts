// Limits that this machine's kernel does not have are taken out of a create request, each with the warning Docker gives: the container runs,
// and its owner is told what does not hold. Pure.
import type { HostFeatures } from '../host-features.ts';
import type { HostConfig } from './container-config.ts';

const lost = 'or the cgroup is not mounted.';

export function dropUnsupported(
  hostConfig: HostConfig,
  host: HostFeatures,
): { hostConfig: HostConfig; warnings: string[] } {
  const kept = { ...hostConfig };
  const warnings: string[] = [];
  const drop = (isMissing: boolean, warning: string, change: Partial<HostConfig>) => {
    if (!isMissing) return;
    warnings.push(warning);
    Object.assign(kept, change);
  };
  drop(
    kept.Memory > 0 && !host.memory,
    `Your kernel does not support memory limit capabilities ${lost} Limitation discarded.`,
    { Memory: 0, MemorySwap: 0 },
  );
  drop(
    kept.Memory > 0 && kept.MemorySwap > 0 && !host.swap,
    `Your kernel does not support swap limit capabilities ${lost} Memory limited without swap.`,
    { MemorySwap: 0 },
  );
  drop(
    (kept.MemorySwappiness ?? -1) >= 0 && !host.swappiness,
    `Your kernel does not support memory swappiness capabilities ${lost} Memory swappiness discarded.`,
    { MemorySwappiness: null },
  );
  drop(
    kept.OomKillDisable === true && !host.oomKillDisable,
    `Your kernel does not support OomKillDisable. OomKillDisable discarded.`,
    { OomKillDisable: false },
  );
  drop(
    kept.PidsLimit > 0 && !host.pids,
    `Your kernel does not support PIDs limit capabilities ${lost} PIDs limit discarded.`,
    { PidsLimit: 0 },
  );
  drop(
    kept.CpuShares > 0 && !host.cpuShares,
    `Your kernel does not support CPU shares ${lost} Shares discarded.`,
    { CpuShares: 0 },
  );
  drop(
    (Boolean(kept.CpusetCpus) || Boolean(kept.CpusetMems)) && !host.cpuset,
    `Your kernel does not support cpuset ${lost} Cpuset discarded.`,
    { CpusetCpus: '', CpusetMems: '' },
  );
  drop(
    Boolean(kept.BlkioWeight) && !host.blkioWeight,
    `Your kernel does not support Block I/O weight ${lost} Weight discarded.`,
    { BlkioWeight: 0 },
  );
  if (kept.OomKillDisable === true && kept.Memory === 0)
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  return { hostConfig: kept, warnings };
}
