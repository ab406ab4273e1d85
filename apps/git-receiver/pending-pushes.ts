// Notes on disk of pushes that the controller has not been told the end of, so that a receiver that died in the middle
// still says, at its next start, whether the ref moved. Written by the push steps, read by the sweep.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';

export interface PendingPush {
  pushId: string;
  ref: string;
  newOid: string;
}

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

function folder(repository: string): string {
  return `${repository}/berth-pending`;
}

export async function notePending(repository: string, push: PendingPush): Promise<void> {
  if (!idPattern.test(push.pushId)) throw new Error(`"${push.pushId}" cannot name a push`);
  await mkdir(folder(repository), { recursive: true, mode: 0o700 });
  await writeFile(`${folder(repository)}/${push.pushId}`, JSON.stringify(push));
}

export async function clearPending(repository: string, pushId: string): Promise<void> {
  await rm(`${folder(repository)}/${pushId}`, { force: true });
}

export async function listPending(repository: string): Promise<PendingPush[]> {
  const names = await readdir(folder(repository)).catch(() => []);
  const pending: PendingPush[] = [];
  for (const name of names) {
    try {
      pending.push(JSON.parse(await readFile(`${folder(repository)}/${name}`, 'utf8')) as PendingPush);
    } catch {
      // cut off while it was written: the controller was not asked to wait for it yet
      await rm(`${folder(repository)}/${name}`, { force: true });
    }
  }
  return pending;
}
