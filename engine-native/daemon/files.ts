// Small JSON files that are replaced as a whole. Used for every record the daemon keeps; a reader sees the old file or the new one.
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

let serial = 0;

/**
 * A folder that only root passes. Files of images and containers lie below such ones: many belong to root on the disk and some are setuid,
 * so that a user of the host who could reach one would become root by it (CVE-2021-41091).
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700); // one that was there may have been more open
}

/** The parsed file, or undefined when it is missing or no object (a crash before the first sync can leave it empty). */
export function readJson<T extends object>(path: string): T | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as T | null;
    return typeof value === 'object' ? (value ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

/** tmp + rename, without waiting for the disk: for facts that a power loss may take (it takes the container as well). */
export function writeJson(path: string, value: unknown): void {
  replaceFile(path, `${JSON.stringify(value)}\n`, false);
}

const copySuffix = '.copy';

/** For what exists once and cannot be made again out of anything else: a damaged file has a twin. */
export function writeJsonTwice(path: string, value: unknown, durable = false): void {
  for (const each of [path, `${path}${copySuffix}`]) replaceFile(each, `${JSON.stringify(value)}\n`, durable);
}

/** What `writeJsonTwice` wrote; undefined when neither file can be read. */
export function readJsonTwin<T extends object>(path: string): T | undefined {
  return readJson<T>(path) ?? readJson<T>(`${path}${copySuffix}`);
}

/**
 * Writes a small file in place with one write, padded so that no end of an older text is left behind it: whoever is killed, a reader
 * sees the old text or the new one. For facts that change often: replacing a file by rename makes ext4 allocate blocks on the spot (1 ms).
 */
export function overwriteJson(path: string, value: unknown): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  try {
    const text = `${JSON.stringify(value)}\n`;
    writeSync(fd, text + ' '.repeat(Math.max(0, fstatSync(fd).size - Buffer.byteLength(text))), 0);
  } finally {
    closeSync(fd);
  }
}

export function replaceFile(path: string, text: string, durable: boolean): void {
  const temporary = `${path}.tmp-${process.pid}-${serial++}`;
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      if (durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true }); // a full disk must not be filled with halves
    throw error;
  }
  if (durable) syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Waits until a file and its name are on disk. */
export async function syncFile(path: string): Promise<void> {
  for (const each of [path, dirname(path)]) {
    const file = await open(each, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
