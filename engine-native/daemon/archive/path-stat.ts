// The header that tells `docker cp` what a path is, in Go's words. Pure.
import type { PathStat } from '../runtime/helper.ts';

const goKinds = new Map([
  [0o040000, 2 ** 31], // folder
  [0o120000, 2 ** 27], // symbolic link
  [0o060000, 2 ** 26], // device
  [0o020000, 2 ** 26 + 2 ** 21], // character device
  [0o010000, 2 ** 25], // fifo
  [0o140000, 2 ** 24], // socket
]);

/** Go's os.FileMode: the kind in the high bits, where Unix has it in the middle. */
export function goFileMode(mode: number): number {
  const special =
    (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (mode & 0o777) + special + (goKinds.get(mode & 0o170000) ?? 0);
}

export function pathStatHeader({ name, size, mode, mtime, linkTarget }: PathStat): string {
  const stat = { name, size, mode: goFileMode(mode), mtime, linkTarget };
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}
