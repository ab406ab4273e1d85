// One process of the machine makes a thing at a time: a folder as a lock, with the maker's pid in it. Used by stack-archive.ts.
// A maker that died holds nobody up. Two at once would cost time, never a wrong result: what they make takes its place by rename.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, systemCode } from '@berth/kit/errors.ts';

/** `work` runs while nobody else on the machine has the lock; waiting ends with `timeout` after `limitMs`. */
export async function oneMaker<T>(lock: string, limitMs: number, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + limitMs;
  while (!take(lock)) {
    if (performance.now() > deadline)
      throw new AppError('timeout', `"${lock}" was held by another process for too long`, {
        hint: 'if no process makes a stack image, remove that folder',
      });
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** The pid is in the folder before it takes its place: there is no lock without a holder. */
function take(lock: string): boolean {
  const mine = `${lock}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'pid'), String(process.pid));
  try {
    renameSync(mine, lock);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    const code = systemCode(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    if (!isHeld(lock)) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

function isHeld(lock: string): boolean {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return true;
  } catch (error) {
    // Gone since: it is asked for again. Of another user: it lives.
    return systemCode(error) === 'EPERM';
  }
}
