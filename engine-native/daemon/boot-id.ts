// Tells whether the machine has been down since the daemon last ran: what lies in RUN is then stale, and unsynced layers are suspect.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '@berth/kit/errors.ts';
import { replaceFile } from './files.ts';

const kernelBootId = '/proc/sys/kernel/random/boot_id';

export interface Boot {
  /** ROOT was last used in another boot. */
  isAnother: boolean;
  /** Notes the current boot in ROOT; only after what an earlier one left is sorted out, or a crash in between would hide it. */
  keep: () => void;
}

/** Clears RUN if it belongs to another boot. */
export function readBoot(
  root: string,
  run: string,
  bootId = readFileSync(kernelBootId, 'utf8').trim(),
): Boot {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const runFile = join(run, 'boot-id');
  if (readId(runFile) !== bootId) {
    rmSync(join(run, 'containers'), { recursive: true, force: true });
    replaceFile(runFile, bootId, false);
  }
  const rootFile = join(root, 'boot-id');
  const previous = readId(rootFile);
  return {
    isAnother: previous !== '' && previous !== bootId,
    keep: () => {
      if (previous === bootId) return;
      try {
        replaceFile(rootFile, bootId, true);
      } catch (error) {
        // On a full disk the engine must come up, or nobody could make room with it. The next start looks once more for what a reboot left.
        if (systemCode(error) !== 'ENOSPC') throw error;
      }
    },
  };
}

function readId(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
