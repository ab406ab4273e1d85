// How much the store may take of the disk (BERTH_ENGINE_DISK_QUOTA). Over it, what nobody needs goes first; then new content is refused.
// Must never remove what a tag, a container or a release names: that is the operator's to decide.
import { AppError } from '@berth/kit/errors.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { type PruneParts, pruneImages } from './prune-images.ts';

const pressedGraceMs = 600_000; // of a full store; a build or an upload that is under way is done by then

export class StoreQuota {
  readonly #limitBytes: number;
  readonly #parts: PruneParts;

  /** `limitBytes` 0: no limit but the disk's. */
  constructor(limitBytes: number, parts: PruneParts) {
    this.#limitBytes = limitBytes;
    this.#parts = parts;
  }

  /** Content of layers and blobs, in bytes. */
  async used(): Promise<number> {
    const { layers, blobs } = this.#parts;
    const unpacked = layers.list().reduce((sum, diffId) => sum + (layers.find(diffId)?.bytes ?? 0), 0);
    return unpacked + (await sizeOf(blobs));
  }

  /** Frees what may go when `bytes` more do not fit; `no_space` when that is not enough. */
  async makeRoom(bytes: number): Promise<void> {
    if (this.#limitBytes === 0 || (await this.used()) + bytes <= this.#limitBytes) return;
    const graceMs = Math.min(this.#parts.graceMs, pressedGraceMs);
    await pruneImages({ ...this.#parts, graceMs, cachedLayers: () => new Set() }, { isAtOnce: true });
    const used = await this.used();
    if (used + bytes <= this.#limitBytes) return;
    throw new AppError(
      'no_space',
      `the disk quota of the engine is used up: ${used} of ${this.#limitBytes} bytes, ${bytes} more are needed`,
      { hint: 'remove images with "docker image prune -a", or raise BERTH_ENGINE_DISK_QUOTA' },
    );
  }

  /** What a single layer may still unpack to. */
  async limit(): Promise<{ maxBytes?: number }> {
    if (this.#limitBytes === 0) return {};
    await this.makeRoom(1);
    return { maxBytes: this.#limitBytes - (await this.used()) };
  }
}

async function sizeOf(blobs: BlobStore): Promise<number> {
  let bytes = 0;
  for await (const { size } of blobs.list()) bytes += size;
  return bytes;
}
