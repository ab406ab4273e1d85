// What /proc says about processes: alive or not, what they are, who belongs to a platform. Read-only.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** True while the process exists and is not a zombie. */
export function isAlive(pid: number): boolean {
  const stat = readOr(`/proc/${pid}/stat`, '');
  // The state follows the command, which may itself hold spaces and brackets.
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return stat !== '' && state !== 'Z' && state !== 'X';
}

/** Waits until the process has ended; false when it still lives after the limit. */
export async function waitForExit(pid: number, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

export function commandLine(pid: number): string[] {
  return readOr(`/proc/${pid}/cmdline`, '')
    .split('\0')
    .filter((word) => word !== '');
}

/** The name that `ps` shows: the title a part gave itself, or the program's. */
export function commandName(pid: number): string {
  const title = commandLine(pid)[0]?.trim() ?? '';
  return title.startsWith('berth-') ? title : readOr(`/proc/${pid}/comm`, '').trim();
}

/** All processes whose arguments, environment or cgroup name one of the marks; never this process itself. */
export function findProcesses(marks: readonly string[]): number[] {
  return allPids().filter((pid) => pid !== process.pid && mentions(pid, marks));
}

function mentions(pid: number, marks: readonly string[]): boolean {
  for (const file of ['cmdline', 'environ', 'cgroup']) {
    const content = readOr(`/proc/${pid}/${file}`, '');
    if (marks.some((mark) => content.includes(mark))) return isAlive(pid);
  }
  return false;
}

export function allPids(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0);
}

/** The process that holds a listening TCP port, as `name (pid)`, if /proc tells. */
export function portHolder(port: number): string | undefined {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return undefined;
  for (const pid of allPids()) {
    if (openSockets(pid).some((inode) => inodes.has(inode))) return `${commandName(pid)} (pid ${pid})`;
  }
  return 'another process';
}

function listeningInodes(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readOr(table, '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const isListening = fields[3] === '0A';
      if (isListening && fields[1]?.endsWith(`:${wanted}`) && fields[9]) inodes.add(fields[9]);
    }
  }
  return inodes;
}

function openSockets(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = readlinkOr(`/proc/${pid}/fd/${fd}`);
      return target.startsWith('socket:[') ? [target.slice(8, -1)] : [];
    });
  } catch {
    return []; // ended meanwhile, or not ours to see
  }
}

function readlinkOr(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
