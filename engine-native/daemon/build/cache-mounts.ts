// Folders of `RUN --mount=type=cache`: ROOT/build-cache/mounts/<digest of scope and id>, kept between builds, shared as each mount asks.
// A name never becomes a path: only its digest does. Must never give one scope's folder to another.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFolder } from '../files.ts';
import type { Helper } from '../runtime/helper.ts';
import type { RunMount } from './mount-options.ts';

const keptMs = 30 * 24 * 3600 * 1000;

interface Slot {
  users: number;
  isLocked: boolean;
  waiting: (() => void)[];
}

export interface TakenCache {
  dir: string;
  /** It was made just now: nothing is in it. */
  isNew: boolean;
  release: () => void;
}

export class CacheMounts {
  readonly #dir: string;
  readonly #helper: Helper;
  readonly #slots = new Map<string, Slot>();

  constructor(root: string, helper: Helper) {
    this.#dir = join(root, 'build-cache', 'mounts');
    this.#helper = helper;
    makePrivateFolder(join(root, 'build-cache'));
    makePrivateFolder(this.#dir);
  }

  /** Waits while a locked cache is in use; the signal ends the wait. */
  async take(scope: string, mount: RunMount, signal: AbortSignal): Promise<TakenCache> {
    const base = createHash('sha256')
      .update(JSON.stringify([scope, mount.id]))
      .digest('hex');
    const name = mount.sharing === 'private' ? this.#freeName(base) : base;
    const slot = this.#slots.get(name) ?? { users: 0, isLocked: false, waiting: [] };
    this.#slots.set(name, slot);
    while (slot.isLocked || (mount.sharing === 'locked' && slot.users > 0)) await nextRelease(slot, signal);
    slot.users += 1;
    slot.isLocked = mount.sharing === 'locked';
    const dir = join(this.#dir, name);
    try {
      return { dir, isNew: prepare(dir, mount), release: () => this.#release(name, slot) };
    } catch (error) {
      this.#release(name, slot);
      throw error;
    }
  }

  /** Removes what no build uses; the bytes that were freed. */
  async clear(): Promise<number> {
    let bytes = 0;
    for (const name of readdirSync(this.#dir)) {
      if (this.#slots.has(name)) continue;
      const dir = join(this.#dir, name);
      bytes += (await this.#helper.usage(dir)).bytes;
      await this.#helper.remove(dir);
    }
    return bytes;
  }

  /** What each takes on disk, for `docker system df`. */
  async usage(): Promise<{ name: string; bytes: number; isUsed: boolean }[]> {
    const all: { name: string; bytes: number; isUsed: boolean }[] = [];
    for (const name of readdirSync(this.#dir)) {
      const { bytes } = await this.#helper.usage(join(this.#dir, name));
      all.push({ name, bytes, isUsed: this.#slots.has(name) });
    }
    return all;
  }

  /** Folders that nobody used for a month go. */
  async trim(nowMs = Date.now()): Promise<void> {
    for (const name of readdirSync(this.#dir)) {
      const dir = join(this.#dir, name);
      const usedMs = statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? nowMs;
      if (!this.#slots.has(name) && nowMs - usedMs > keptMs) await this.#helper.remove(dir);
    }
  }

  #freeName(base: string): string {
    for (let number = 0; ; number++) {
      const name = `${base}-${number}`;
      if (!this.#slots.has(name)) return name;
    }
  }

  #release(name: string, slot: Slot): void {
    slot.users -= 1;
    slot.isLocked = false;
    if (slot.users === 0 && slot.waiting.length === 0) this.#slots.delete(name);
    for (const wake of slot.waiting.splice(0)) wake();
  }
}

function nextRelease(slot: Slot, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  slot.waiting.push(() => {
    signal.removeEventListener('abort', stop);
    resolve();
  });
  return promise;
}

function prepare(dir: string, { mode, uid, gid }: RunMount): boolean {
  const isNew = !existsSync(dir);
  if (isNew) {
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, uid, gid);
    chmodSync(dir, mode ?? 0o755);
  } else utimesSync(dir, new Date(), new Date());
  return isNew;
}
