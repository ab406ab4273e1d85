// At start: clears what an earlier life of the receiver left behind and tells the controller of pushes that ended unseen.
// Runs before the first request; everything it removes belongs to processes that it has made sure are gone.
import { readdir, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup } from './git-process.ts';
import { clearPending, listPending } from './pending-pushes.ts';
import { removeQuarantines } from './quarantine.ts';
import type { Receiver } from './receiver.ts';
import { readRef } from './repository.ts';

/** A git that was asked to end removes its quarantine first; one that does not is forced. */
const orphanGraceMs = 1500;

export async function sweepRepositories(receiver: Receiver): Promise<void> {
  const { repositories } = receiver.config;
  const names = await readdir(repositories).catch(() => []);
  if (names.length === 0) return;
  await endOrphans(repositories);
  for (const name of names) {
    const path = `${repositories}/${name}`;
    if (name.startsWith('.new-')) await rm(path, { recursive: true, force: true });
    else if (name.endsWith('.git')) await sweepRepository(path);
  }
  void reportUnseen(receiver, names);
}

/** Push processes of an earlier life: their hook has lost us and refuses, but the quarantine must not be pulled from under them. */
async function endOrphans(repositories: string): Promise<void> {
  const limit = performance.now() + orphanGraceMs;
  for (let signal: NodeJS.Signals = 'SIGTERM'; ; ) {
    const orphans = await findOrphans(repositories);
    if (orphans.length === 0) return;
    if (performance.now() > limit) signal = 'SIGKILL';
    for (const pid of orphans) signalGroup(pid, signal);
    if (performance.now() > limit + orphanGraceMs) return;
    await sleep(25);
  }
}

async function findOrphans(repositories: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const args = line.split('\0');
    if (args.includes('receive-pack') && args.some((arg) => arg.startsWith(`${repositories}/`)))
      found.push(Number(name));
  }
  return found;
}

async function sweepRepository(path: string): Promise<void> {
  await removeQuarantines(path);
  for (const name of ['HEAD.lock', 'packed-refs.lock', 'config.lock', 'shallow.lock', 'gc.pid.lock'])
    await rm(`${path}/${name}`, { force: true });
  const refs = await readdir(`${path}/refs`, { recursive: true }).catch(() => []);
  for (const name of refs) if (name.endsWith('.lock')) await rm(`${path}/refs/${name}`, { force: true });
}

/** In the background: the controller may start after us. What it cannot be told in an hour stays noted for the next start. */
async function reportUnseen(receiver: Receiver, names: string[]): Promise<void> {
  for (const name of names.filter((entry) => entry.endsWith('.git'))) {
    const repository = `${receiver.config.repositories}/${name}`;
    for (const push of await listPending(repository)) {
      const ok = (await readRef(repository, push.ref)) === push.newOid;
      try {
        await receiver.controller.landed(push.pushId, ok, 60 * 60_000);
      } catch (err) {
        receiver.log.warn({ err, push: push.pushId }, 'an unseen push is not known to the controller');
      }
      await clearPending(repository, push.pushId);
    }
  }
}
