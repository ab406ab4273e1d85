// The log file of a child: the child holds the file itself (so it never loses its stderr when the supervisor dies) and we rotate it.
// Rotation copies and truncates: the child appends to the same file for ever. Lines written between the two are lost, at most some.
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { dirname } from 'node:path';

const maxBytes = 10 * 1024 * 1024;
const keptFiles = 3;

/** Opens for appending; the caller closes the descriptor after it has been inherited. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  return openSync(path, 'a', 0o640);
}

/** Makes `x.log` → `x.log.1` → `x.log.2` when it has grown past its size. */
export function rotateLog(path: string, limitBytes = maxBytes): boolean {
  if (!existsSync(path) || statSync(path).size < limitBytes) return false;
  for (let n = keptFiles - 1; n > 1; n--)
    if (existsSync(`${path}.${n - 1}`)) renameSync(`${path}.${n - 1}`, `${path}.${n}`);
  copyFileSync(path, `${path}.1`);
  truncateSync(path, 0);
  return true;
}

/** The last lines of a log, for status and for errors at the start. */
export function lastLines(path: string, count = 5): string[] {
  if (!existsSync(path)) return [];
  const fd = openSync(path, 'r');
  try {
    const size = statSync(path).size;
    const buffer = Buffer.alloc(Math.min(size, 8192));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(-count);
  } finally {
    closeSync(fd);
  }
}
