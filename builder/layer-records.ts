// Remembers which layer of the engine a key stands for: one small file a key. Losing one costs a rebuild of that layer, nothing else.
// Also serialises makers of the same key, so that two builds do not download one runtime twice.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class LayerRecords {
  readonly #dir: string;
  readonly #known = new Map<string, string>();
  readonly #makers = new Map<string, Promise<unknown>>();

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** The layer's digest, if it was made before; the engine may have dropped it since. */
  find(key: string): string | undefined {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    try {
      const diffId = readFileSync(join(this.#dir, key), 'utf8').trim();
      if (!/^sha256:[0-9a-f]{64}$/.test(diffId)) return undefined;
      this.#known.set(key, diffId);
      return diffId;
    } catch {
      return undefined;
    }
  }

  remember(key: string, diffId: string): void {
    const file = join(this.#dir, key);
    writeFileSync(`${file}.tmp`, `${diffId}\n`);
    renameSync(`${file}.tmp`, file);
    this.#known.set(key, diffId);
  }

  /** Called when the engine says that it has no such layer. */
  forget(diffId: string): void {
    for (const [key, known] of this.#known)
      if (known === diffId) {
        this.#known.delete(key);
        rmSync(join(this.#dir, key), { force: true });
      }
  }

  /** One maker of a key at a time; the others wait and then find the result. */
  async exclusively<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#makers.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#makers.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#makers.get(key) === mine) this.#makers.delete(key);
    }
  }
}
