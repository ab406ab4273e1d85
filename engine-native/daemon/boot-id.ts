// Tells whether the machine has been down since the daemon last ran: what lies in RUN is then stale, and unsynced layers are suspect.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from './files.ts';

const kernelBootId = '/proc/sys/kernel/random/boot_id';

/** True when ROOT was last used in another boot. Clears RUN if it belongs to one. */
export function noteBoot(
  root: string,
  run: string,
  bootId = readFileSync(kernelBootId, 'utf8').trim(),
): boolean {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const runFile = join(run, 'boot-id');
  if (readId(runFile) !== bootId) {
    rmSync(join(run, 'containers'), { recursive: true, force: true });
    replaceFile(runFile, bootId, false);
  }
  const rootFile = join(root, 'boot-id');
  const previous = readId(rootFile);
  if (previous !== bootId) replaceFile(rootFile, bootId, true);
  return previous !== '' && previous !== bootId;
}

function readId(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
