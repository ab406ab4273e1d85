// ENV_DIR: the config vars of one build as files, in memory, read-only for the buildpacks. Made by the builders that
// run other people's buildpacks, gone at the build's end.
// Must never write a value to a disk: a host without a folder in memory cannot build this way.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { appUser } from '../image.ts';

const candidates = ['/run', '/dev/shm'];
/** statfs' word for tmpfs (linux/magic.h). */
const tmpfs = 0x01021994;
/** What may be a variable of a shell; the rest could be a path. */
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface VarsFolder {
  path: string;
  remove(): void;
}

export function makeVarsFolder(
  dataDir: string,
  vars: Readonly<Record<string, string>>,
  owner: { uid: number; gid: number } = appUser,
): VarsFolder {
  const parent = parentOf(dataDir);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const path = mkdtempSync(join(parent, 'vars-'));
  const remove = () => {
    rmSync(path, { recursive: true, force: true });
    if (readdirSync(parent).length === 0) rmdirSync(parent);
  };
  try {
    for (const [name, value] of Object.entries(vars)) {
      if (!variableName.test(name)) continue;
      const file = join(path, name);
      writeFileSync(file, value, { mode: 0o400 });
      chownSync(file, owner.uid, owner.gid);
    }
    chownSync(path, owner.uid, owner.gid);
    chmodSync(path, 0o500);
    return { path, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Called when the builder starts: what a killed life of it left. */
export function removeVarsFolders(dataDir: string): void {
  for (const folder of candidates) rmSync(join(folder, nameOf(dataDir)), { recursive: true, force: true });
}

function parentOf(dataDir: string): string {
  const folder = candidates.find((path) => isInMemory(path));
  if (folder === undefined)
    throw new AppError('build_failed', 'the host has no folder in memory for the config vars', {
      hint: 'the operator mounts a tmpfs at /run or /dev/shm',
    });
  return join(folder, nameOf(dataDir));
}

function isInMemory(path: string): boolean {
  try {
    return statfsSync(path).type === tmpfs;
  } catch {
    return false;
  }
}

/** One builder's own: several platforms may run on a machine. */
function nameOf(dataDir: string): string {
  return `berth-builder-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;
}
