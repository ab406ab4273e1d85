// The processes of a container, as `docker top` shows them: our own table for the default columns, the host's `ps` for anybody else's.

import { AppError } from '@berth/kit/errors.ts';
import { type RunResult, runCommand } from '@berth/kit/run-command.ts';
import { readText } from '../networks/host-network.ts';
import { cgroupPids } from './cgroup-cleanup.ts';

export interface ProcessTable {
  Titles: string[];
  Processes: string[][];
}

const clockTicks = 100; // USER_HZ is 100 on every architecture Linux runs on
const psLimitMs = 5_000; // ps stands still on a process in a stuck file system

/** `psArgs` as a user writes them behind `docker top <container>`. */
export function topContainer(cgroup: string, psArgs: string): ProcessTable | Promise<ProcessTable> {
  return psArgs === '' || psArgs === '-ef' ? ownTable(cgroup) : askPs(cgroup, psArgs);
}

function ownTable(cgroup: string): ProcessTable {
  const uptime = Number(readText('/proc/uptime').split(' ')[0] ?? 0);
  const processes = cgroupPids(cgroup).flatMap((pid) => {
    const stat = readText(`/proc/${pid}/stat`);
    if (stat === '') return [];
    // The command name may hold spaces and brackets; what follows the last bracket is plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const uid = /^Uid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? '?';
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const command = readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() || `[${name}]`;
    const cpuSeconds = Math.floor((Number(fields[11]) + Number(fields[12])) / clockTicks);
    const startedMs = Date.now() - (uptime - Number(fields[19]) / clockTicks) * 1000;
    const started = new Date(startedMs).toTimeString().slice(0, 5);
    return [[uid, String(pid), fields[1] ?? '', '0', started, '?', clockText(cpuSeconds), command]];
  });
  return { Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'], Processes: processes };
}

function clockText(seconds: number): string {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

async function askPs(cgroup: string, psArgs: string): Promise<ProcessTable> {
  const words = psArgs.split(/\s+/).filter((word) => word !== '');
  const pids = cgroupPids(cgroup).map(String);
  // By process id first: without a selection ps shows those of its own terminal alone. Some of its options exclude the other.
  const chosen = await ps([...words, `-q${pids.join(',')}`]);
  const result = chosen.exitCode === 0 ? chosen : await ps(words);
  if (result.exitCode !== 0)
    throw new AppError('bad_request', `ps: ${result.stderr.trim().split('\n')[0] ?? 'failed'}`);
  return chosenRows(result.stdout.toString('utf8'), new Set(pids));
}

function ps(args: string[]): Promise<RunResult> {
  return runCommand(['ps', ...args], { timeoutMs: psLimitMs }).catch((cause: unknown) => {
    throw new AppError('unsupported', 'the host has no "ps" to ask', {
      hint: 'leave out the arguments',
      cause,
    });
  });
}

/** Rows of the container's processes. The last column keeps its spaces. */
export function chosenRows(text: string, pids: Set<string>): ProcessTable {
  const [head = '', ...rows] = text.split('\n').filter((line) => line.trim() !== '');
  const titles = head.trim().split(/\s+/);
  const at = titles.indexOf('PID');
  if (at < 0)
    throw new AppError('bad_request', "Couldn't find PID field in ps output", {
      hint: 'ask for the pid column too',
    });
  const processes = rows
    .map((row) => cut(row.trim(), titles.length))
    .filter((fields) => pids.has(fields[at] ?? ''));
  return { Titles: titles, Processes: processes };
}

function cut(row: string, columns: number): string[] {
  const fields = row.split(/\s+/);
  if (fields.length <= columns) return fields;
  return [...fields.slice(0, columns - 1), fields.slice(columns - 1).join(' ')];
}
