// Removes what a git that was ended leaves of its quarantine (git itself removes it only when it ends by itself).
// Used by the receive-pack handler and the sweep. Must never remove a folder that a running push may be writing to.
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { signalGroup } from './git-process.ts';

/** git's own names: `tmp_objdir-incoming-XXXXXX` since 2.36, `incoming-XXXXXX` before. */
const namePattern = /^(?:tmp_objdir-|incoming-)/;

export async function removeQuarantines(repository: string): Promise<void> {
  // read synchronously: a push that starts after this line is not in the list
  const names = readNames(`${repository}/objects`);
  const removals = names.map((name) =>
    rm(`${repository}/objects/${name}`, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }),
  );
  await Promise.all(removals);
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => namePattern.test(name));
  } catch {
    return []; // no repository yet
  }
}

/** Counts the pushes of each repository, and cleans up after cut ones when the last of them has ended. */
export class QuarantineKeeper {
  readonly #repositories = new Map<string, { active: number; cut: boolean }>();

  enter(repository: string): void {
    const entry = this.#repositories.get(repository) ?? { active: 0, cut: false };
    entry.active += 1;
    this.#repositories.set(repository, entry);
  }

  /** Call once git has ended; `cut` when it was ended by us. */
  async leave(repository: string, pid: number | undefined, cut: boolean): Promise<void> {
    if (cut && pid !== undefined) signalGroup(pid, 'SIGKILL'); // a child of git that still writes
    const entry = this.#repositories.get(repository);
    if (!entry) return;
    entry.active -= 1;
    entry.cut ||= cut;
    if (entry.active > 0) return;
    this.#repositories.delete(repository);
    if (entry.cut) await removeQuarantines(repository);
  }
}
