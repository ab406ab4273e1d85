// What this host can hold: memory and cpus, with a limit of the control group that we run in taken into account.
import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';

const bytesPerMb = 1024 * 1024;
/** Where control groups say how much memory is allowed: v2, then v1. */
const limitFiles = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];

export async function readHostFacts(): Promise<{ memoryMb: number; cpus: number }> {
  const limits = await Promise.all(
    limitFiles.map(async (path) => Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10)),
  );
  const bytes = Math.min(totalmem(), ...limits.filter((limit) => limit > 0));
  return { memoryMb: Math.floor(bytes / bytesPerMb), cpus: availableParallelism() };
}
