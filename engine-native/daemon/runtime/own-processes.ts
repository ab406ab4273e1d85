// Processes of ours that an earlier daemon may have left: found by their exact argv, ended by pid. Used for the helper and berth-dns.
// Must never match a process of somebody else.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Pids of `program` whose arguments hold the option with exactly this value. */
export function findProcesses(program: string, option: string, value: string): number[] {
  const wanted = `\0${option}\0${value}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        const file = argv.split('\0', 1)[0] ?? '';
        return file.endsWith(`/${program}`) && argv.includes(wanted);
      } catch {
        return false;
      }
    })
    .map(Number);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const endLimitsMs = { SIGTERM: 500, SIGKILL: 1_000 };

/** SIGTERM, then SIGKILL after half a second: what hangs must not keep its successor from starting. */
export async function endProcess(
  pid: number,
  signals: readonly (keyof typeof endLimitsMs)[] = ['SIGTERM', 'SIGKILL'],
): Promise<void> {
  for (const signal of signals) {
    const limitMs = endLimitsMs[signal];
    if (!isAlive(pid)) return;
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    const deadline = performance.now() + limitMs;
    while (isAlive(pid) && performance.now() < deadline) await sleep(5);
  }
}
