// What a platform may have left on the machine: processes, mounts, cgroups, bridges, nftables. Found by name, removed, looked for again.
// Called by `down` under the platform's lock. Must touch nothing that does not carry this platform's id.
import { readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import { commandName, findProcesses, waitForExit } from './processes.ts';

/** How everything of one platform is named outside its data folder. */
export interface Marks {
  runDir: string;
  engineName: string;
}

export interface Leftovers {
  processes: { pid: number; name: string }[];
  mounts: string[];
  cgroups: string[];
  links: string[];
  tables: string[];
}

const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

export async function findLeftovers({ runDir, engineName }: Marks): Promise<Leftovers> {
  const pids = findProcesses([`${runDir}/`, `berth-${engineName}/`]);
  const [links, tables] = await Promise.all([listLinks(), listTables()]);
  return {
    processes: pids.map((pid) => ({ pid, name: commandName(pid) })),
    mounts: listMounts().filter((point) => point.startsWith(`${runDir}/`)),
    cgroups: cgroupRoots()
      .map((root) => join(root, `berth-${engineName}`))
      .filter(isFolder),
    links: links.filter((name) => name.startsWith(`${engineName}-`)),
    tables: tables.filter((table) => table.split(' ')[1] === `berth_${engineName}`),
  };
}

/** Each thing left, as a line for the user. */
export function describeLeftovers(left: Leftovers): string[] {
  return [
    ...left.processes.map(({ pid, name }) => `process ${pid} (${name})`),
    ...left.mounts.map((point) => `mount "${point}"`),
    ...left.cgroups.map((path) => `cgroup "${path}"`),
    ...left.links.map((name) => `network interface "${name}"`),
    ...left.tables.map((table) => `nftables table "${table}"`),
  ];
}

/** Removes all of it, in the order in which one thing holds the next, and the run folder last. */
export async function removeLeftovers(marks: Marks, left: Leftovers): Promise<void> {
  await endProcesses(left.processes.map(({ pid }) => pid));
  // Deepest first: a mount below another holds it.
  for (const point of left.mounts.toSorted().toReversed()) await runCommand(['umount', point], { env });
  for (const path of left.cgroups) await removeCgroup(path);
  for (const name of left.links) await runCommand(['ip', 'link', 'delete', name], { env });
  for (const table of left.tables) await runCommand(['nft', 'delete', 'table', ...table.split(' ')], { env });
  if (listMounts().some((point) => point.startsWith(`${marks.runDir}/`))) return; // deleting would reach into the mount
  rmSync(marks.runDir, { recursive: true, force: true });
}

async function endProcesses(pids: readonly number[]): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const living = pids.filter((pid) => send(pid, signal));
    // Databases write a checkpoint on SIGTERM; after ten seconds the process hangs.
    await Promise.all(living.map((pid) => waitForExit(pid, 10_000)));
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Cgroups go only when empty, children first; processes in them are ended, and the kernel needs a moment to forget them. */
async function removeCgroup(path: string): Promise<void> {
  for (const child of childFolders(path)) await removeCgroup(join(path, child));
  await endProcesses(cgroupProcesses(path));
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if (systemCode(error) !== 'EBUSY') return; // gone already, or said as a leftover afterwards
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function cgroupProcesses(path: string): number[] {
  try {
    return readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

export function cgroupRoots(): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .flatMap(([, point]) => (point ? [point] : []));
}

export function listMounts(): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[1] ?? []);
}

export async function listLinks(): Promise<string[]> {
  const { stdout } = await runCommand(['ip', '-o', 'link', 'show'], { env });
  return stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
}

/** As `family name`. */
export async function listTables(): Promise<string[]> {
  const { stdout } = await runCommand(['nft', 'list', 'tables'], { env });
  return stdout
    .toString('utf8')
    .split('\n')
    .flatMap((line) => /^table (\S+ \S+)/.exec(line)?.[1] ?? []);
}

function childFolders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

function isFolder(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}
