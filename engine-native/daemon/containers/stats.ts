// One sample of what a container uses, in the shape of Docker's stats. Reads the shim and /proc.
import { cpus, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readText } from '../networks/host-network.ts';
import type { ShimStats } from '../runtime/shim.ts';
import { resourcesOf } from './build-spec.ts';
import type { Container } from './container.ts';

const nanosPerTick = 10_000_000; // USER_HZ is 100
const never = '0001-01-01T00:00:00Z';
const sampleMs = 1_000; // the client divides two counters: over less time the result is noise

interface Sample {
  stats: ShimStats;
  systemNanos: number;
  read: string;
}

/** With `oneShot` a single reading; otherwise two, a second apart, so that the client can show a percentage. */
export async function statsOf(container: Container, oneShot: boolean): Promise<object> {
  if (!container.isRunning) {
    if (!oneShot) await sleep(sampleMs);
    return { id: container.id, name: `/${container.record.name}`, read: never, preread: never };
  }
  try {
    return await runningStats(container, oneShot);
  } catch (error) {
    if (container.isRunning) throw error;
    return statsOf(container, true); // it ended meanwhile
  }
}

async function runningStats(container: Container, oneShot: boolean): Promise<object> {
  const before = oneShot ? undefined : await sample(container);
  if (before) await sleep(sampleMs);
  const now = await sample(container);
  return {
    id: container.id,
    name: `/${container.record.name}`,
    read: now.read,
    preread: before?.read ?? never,
    num_procs: 0,
    pids_stats: { current: now.stats.pids, ...pidsLimit(container) },
    cpu_stats: cpuStats(now),
    precpu_stats: before ? cpuStats(before) : {},
    memory_stats: {
      usage: now.stats.memoryBytes,
      limit: now.stats.memoryLimitBytes || totalmem(),
      stats: {},
      failcnt: now.stats.oomKills,
    },
    blkio_stats: { io_service_bytes_recursive: ioBytes(now.stats) },
    networks: networkCounters(container.pid),
  };
}

function ioBytes({ ioReadBytes = 0, ioWriteBytes = 0 }: ShimStats): object[] {
  return [
    { major: 0, minor: 0, op: 'read', value: ioReadBytes },
    { major: 0, minor: 0, op: 'write', value: ioWriteBytes },
  ];
}

function pidsLimit({ record }: Container): { limit?: number } {
  const { pids } = resourcesOf(record.hostConfig);
  return pids > 0 ? { limit: pids } : {};
}

async function sample(container: Container): Promise<Sample> {
  const stats = await container.runningShim().stats();
  return { stats, systemNanos: systemCpuNanos(), read: new Date().toISOString() };
}

function cpuStats({ stats, systemNanos }: Sample): object {
  return {
    cpu_usage: { total_usage: stats.cpuNanos, usage_in_kernelmode: 0, usage_in_usermode: 0 },
    system_cpu_usage: systemNanos,
    online_cpus: cpus().length,
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  };
}

/** All processor time since boot: the first line of /proc/stat without guest time, which user time holds already. */
function systemCpuNanos(): number {
  const fields = (readText('/proc/stat').split('\n', 1)[0] ?? '').trim().split(/\s+/).slice(1, 9);
  return fields.reduce((sum, field) => sum + Number(field), 0) * nanosPerTick;
}

function networkCounters(pid: number): Record<string, object> {
  const lines = readText(`/proc/${pid}/net/dev`).split('\n').slice(2);
  const rows = lines.map((line) => line.trim().split(/[:\s]+/)).filter(([name]) => name && name !== 'lo');
  return Object.fromEntries(
    rows.map(([name = '', ...fields]) => [
      name,
      {
        rx_bytes: Number(fields[0]),
        rx_packets: Number(fields[1]),
        rx_errors: Number(fields[2]),
        rx_dropped: Number(fields[3]),
        tx_bytes: Number(fields[8]),
        tx_packets: Number(fields[9]),
        tx_errors: Number(fields[10]),
        tx_dropped: Number(fields[11]),
      },
    ]),
  );
}
