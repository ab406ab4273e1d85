// Ends what is left in a container's control groups when its shim died, and removes them. The shim does this itself in all other cases.
// Must never touch a group that is not below this engine's own parent.
import { existsSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readText } from '../networks/host-network.ts';

const root = '/sys/fs/cgroup';
const rounds = 100; // times 20 ms: a killed process leaves its group as soon as it is reaped

/** The folder of a group in each hierarchy: one on v2, one a controller on v1. */
function foldersOf(cgroup: string): string[] {
  const hierarchies = existsSync(join(root, 'cgroup.controllers')) ? [''] : readdirSync(root);
  return hierarchies.map((name) => join(root, name, cgroup)).filter((dir) => existsSync(dir));
}

/** Process ids in a group and the groups below it, as the host sees them. */
export function cgroupPids(cgroup: string): number[] {
  const pids = foldersOf(cgroup)
    .flatMap((dir) => [dir, ...subfolders(dir)])
    .flatMap((dir) =>
      readText(join(dir, 'cgroup.procs'))
        .split('\n')
        .filter((line) => /^[1-9]\d*$/.test(line))
        .map(Number),
    );
  return [...new Set(pids)];
}

/** Kills every process of the group and removes it. */
export async function destroyCgroup(cgroup: string): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const folders = foldersOf(cgroup);
    if (folders.length === 0) return;
    const pids = cgroupPids(cgroup);
    for (const dir of folders) thaw(dir);
    for (const pid of pids) killQuietly(pid);
    if (pids.length === 0) for (const dir of folders) removeTree(dir);
    else await sleep(20);
  }
}

/** Names of the groups below this engine's parent: ids of containers. */
export function cgroupChildren(parent: string): string[] {
  return [
    ...new Set(foldersOf(parent).flatMap((dir) => subfolders(dir).map((path) => path.slice(dir.length + 1)))),
  ];
}

/** Removes the parent itself if nothing is below it. */
export function removeEmptyCgroup(parent: string): void {
  for (const dir of foldersOf(parent)) removeTree(dir);
}

function subfolders(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(dir, entry.name));
  } catch {
    return [];
  }
}

function removeTree(dir: string): void {
  for (const child of subfolders(dir)) removeTree(child);
  try {
    rmdirSync(dir);
  } catch {
    // still busy or gone: the next round or the next start of the daemon tries again
  }
}

/** A frozen group takes no SIGKILL on v1. */
function thaw(dir: string): void {
  const state = join(dir, 'freezer.state');
  try {
    if (existsSync(state)) writeFileSync(state, 'THAWED');
  } catch {
    // gone meanwhile
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}
