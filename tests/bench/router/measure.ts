// How the router benchmark measures: processor time and memory from /proc, load from wrk. Used by run.ts.
// Processor time is the robust figure: the generator shares its core with the backends and can be the limit.
import { readdirSync, readFileSync } from 'node:fs';
import { runCommandOk } from '@berth/kit/run-command.ts';

/** Clock ticks a second in /proc (USER_HZ). */
const ticksPerSecond = 100;

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}

/** A process and all its descendants. */
export function processTree(pid: number): number[] {
  const children = readProc(`${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

export function processorSeconds(pids: number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readProc(`${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / ticksPerSecond;
}

/** Seconds that one core was not idle. */
export function busySeconds(core: number): number {
  const line = readProc('stat')
    .split('\n')
    .find((one) => one.startsWith(`cpu${core} `));
  const fields = line?.split(/\s+/).slice(1).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
}

export function pssBytes(pids: number[]): number {
  let kilobytes = 0;
  for (const pid of pids)
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readProc(`${pid}/smaps_rollup`))?.[1] ?? 0);
  return kilobytes * 1024;
}

export function openDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

export interface Load {
  connections: number;
  seconds: number;
  script: string;
  url: string;
  core: number;
}

export interface LoadResult {
  perSecond: number;
  requests: number;
  p50Us: number;
  p99Us: number;
  errors: number;
}

const microseconds: Record<string, number> = { us: 1, ms: 1000, s: 1_000_000 };

function latency(output: string, percentile: string): number {
  const match = new RegExp(`${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(output);
  return Number(match?.[1] ?? 0) * (microseconds[match?.[2] ?? ''] ?? 0);
}

/** Runs wrk once. */
export async function runLoad({ connections, seconds, script, url, core }: Load): Promise<LoadResult> {
  const { stdout } = await runCommandOk([
    'taskset',
    '-c',
    String(core),
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '-s',
    script,
    url,
  ]);
  const output = stdout.toString();
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  const badAnswers = Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? 0),
    requests: Number(/(\d+) requests in/.exec(output)?.[1] ?? 0),
    p50Us: latency(output, '50'),
    p99Us: latency(output, '99'),
    errors: badAnswers + (socketErrors?.slice(1).reduce((sum, count) => sum + Number(count), 0) ?? 0),
  };
}
