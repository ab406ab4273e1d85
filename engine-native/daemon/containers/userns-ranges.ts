// Gives each container, or all containers of one `berth.userns` key, 65,536 user ids of their own. Keys are kept in ROOT/userns.json.
// Must never give one range to two keys: an escape from one app must find nothing it owns elsewhere.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { readJsonTwin, writeJsonTwice } from '../files.ts';
import { readText } from '../networks/host-network.ts';

const firstId = 100_000;
const rangeSize = 65_536;
const rangeCount = 60_000; // the last one ends below 2^32

export const usernsLabel = 'berth.userns';

export class UsernsRanges {
  readonly #file: string;
  readonly #keys: Map<string, number>;
  /** How many containers have a range; a key counts as one of them for ever. */
  readonly #taken = new Map<number, number>();
  readonly #reserved: { from: number; to: number }[];
  #next: number;

  constructor(root: string, engineName: string, subuid = readText('/etc/subuid')) {
    this.#file = join(root, 'userns.json');
    this.#keys = new Map(Object.entries(readJsonTwin<Record<string, number>>(this.#file) ?? {}));
    for (const base of this.#keys.values()) this.adopt(base);
    this.#reserved = parseSubids(subuid);
    // Two engines on one host begin in different places, so that their ranges do not meet.
    this.#next = createHash('sha256').update(engineName).digest().readUInt32BE() % rangeCount;
  }

  /** The range of a key, or a fresh one for a container without a key. */
  take(key: string | undefined): number {
    const known = key === undefined ? undefined : this.#keys.get(key);
    if (known !== undefined) return known;
    const base = this.#fresh();
    this.adopt(base);
    if (key !== undefined) {
      writeJsonTwice(this.#file, { ...Object.fromEntries(this.#keys), [key]: base });
      this.#keys.set(key, base);
    }
    return base;
  }

  /** One more container of a range: one that was there before the daemon, or one that shares another's. */
  adopt(base: number): void {
    this.#taken.set(base, (this.#taken.get(base) ?? 0) + 1);
  }

  /** Gives a keyless container's range back; a key keeps its own for ever. */
  release(base: number): void {
    if ([...this.#keys.values()].includes(base)) return;
    const left = (this.#taken.get(base) ?? 0) - 1;
    if (left > 0) this.#taken.set(base, left);
    else this.#taken.delete(base);
  }

  #fresh(): number {
    for (let tried = 0; tried < rangeCount; tried++) {
      const base = firstId + (this.#next++ % rangeCount) * rangeSize;
      const isReserved = this.#reserved.some(({ from, to }) => base < to && from < base + rangeSize);
      if (!this.#taken.has(base) && !isReserved) return base;
    }
    throw new AppError('no_space', 'no range of user ids is left', { hint: 'remove containers' });
  }
}

/** Lines `user:first:count` of /etc/subuid: ids that belong to somebody else's rootless containers. */
export function parseSubids(text: string): { from: number; to: number }[] {
  return text.split('\n').flatMap((line) => {
    const [, first = '', count = ''] = line.split(':');
    if (!/^\d+$/.test(first) || !/^\d+\s*$/.test(count)) return [];
    return [{ from: Number(first), to: Number(first) + Number(count) }];
  });
}
