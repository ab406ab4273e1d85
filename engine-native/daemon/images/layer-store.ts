// Layers on disk (PROTOCOL.md, "Folders"): ROOT/layers/<hex>/{diff,meta.json,durable}, each unpacked once and shared by all images.
// Making a layer never waits for the disk: a sync in the background writes the `durable` mark, and after a power loss what has none is dropped.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { makePrivateFolder, readJson, writeJson } from '../files.ts';
import type { Helper, UntarOptions } from '../runtime/helper.ts';
import { checkDigest } from './image-config.ts';
import { metered } from './metered.ts';

export interface LayerMeta {
  diffId: string;
  /** Bytes of its tar. */
  size: number;
  files: number;
  /** Bytes of file content. */
  bytes: number;
  /** Forced on every entry of its tar, seconds; undefined = the files' own. */
  mtime?: number;
  /** RFC 3339. */
  created: string;
  /** Its tar was made elsewhere and cannot be made again from the files: one of its blobs holds it. */
  isForeign?: boolean;
}

/** A form of a layer's tar in the blob store. */
export interface LayerBlob {
  digest: string;
  size: number;
  compression: 'gzip' | 'zstd' | 'none';
  /** Made here out of the files, and can be made again. */
  isOwn: boolean;
}

const syncRetryMs = 1_000; // the helper may be restarting; a layer stays usable without its mark until the next power loss

export class LayerStore {
  /** What a layer may unpack to; the disk quota sets it. */
  limit: () => Promise<{ maxBytes?: number }> = () => Promise.resolve({});
  readonly #dir: string;
  readonly #helper: Helper;
  readonly #blobs: BlobStore;
  readonly #log: Logger;
  readonly #unsynced = new Set<string>();
  #syncing: Promise<void> | undefined;

  constructor(parts: { root: string; helper: Helper; blobs: BlobStore; log: Logger }) {
    this.#dir = join(parts.root, 'layers');
    this.#helper = parts.helper;
    this.#blobs = parts.blobs;
    this.#log = parts.log;
    makePrivateFolder(this.#dir);
  }

  has(diffId: string): boolean {
    return existsSync(this.#metaFile(diffId));
  }

  find(diffId: string): LayerMeta | undefined {
    return readJson<LayerMeta>(this.#metaFile(diffId));
  }

  meta(diffId: string): LayerMeta {
    const meta = this.find(diffId);
    if (!meta) throw new AppError('not_found', `no such layer "${diffId}"`);
    return meta;
  }

  /** Its record and its files are there; what a stranger did inside the files is not looked at. */
  isWhole(diffId: string): boolean {
    return this.has(diffId) && existsSync(this.diffDir(diffId)) && !existsSync(this.#damagedFile(diffId));
  }

  /** Why a container on these layers cannot start, when one of them is gone. */
  lossOf(diffIds: readonly string[]): AppError | undefined {
    const lost = diffIds.find((diffId) => !this.isWhole(diffId));
    if (lost === undefined) return undefined;
    return new AppError('conflict', `layer "${lost}" of its image is lost or damaged`, {
      hint: 'pull or load the image again, then start it',
    });
  }

  /** Its files turned out not to be what they were: from now on it counts as missing, so that a pull or load replaces it. */
  markDamaged(diffId: string): void {
    if (this.has(diffId)) writeFileSync(this.#damagedFile(diffId), '');
  }

  /** The forms of its tar that were kept; the blob store may have lost one. */
  blobsOf(diffId: string): LayerBlob[] {
    return readJson<LayerBlob[]>(this.#blobsFile(diffId)) ?? [];
  }

  addBlob(diffId: string, blob: LayerBlob): void {
    const others = this.blobsOf(diffId).filter(({ digest }) => digest !== blob.digest);
    if (this.has(diffId)) writeJson(this.#blobsFile(diffId), [...others, blob]);
  }

  /** The folder overlayfs uses. */
  diffDir(diffId: string): string {
    return join(this.#dir, hexOf(diffId), 'diff');
  }

  list(): string[] {
    return readdirSync(this.#dir)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((hex) => `sha256:${hex}`);
  }

  /** Unpacks a tar; the layer's digest is that of its canonical form, so the same content gives the same layer. */
  async receive(body: Readable, options: UntarOptions): Promise<LayerMeta> {
    return this.#inTemporary(async (temporary) => {
      const diff = join(temporary, 'diff');
      await this.#helper.untar(diff, body, withLimit(options, await this.limit()));
      const { sha256, size, files, bytes } = await this.#helper.digest(diff);
      return { diffId: sha256, size, files, bytes };
    });
  }

  /** Unpacks a tar whose digest is known from an image config; refuses another one. */
  async receiveVerified(body: Readable, diffId: string): Promise<LayerMeta> {
    return this.#inTemporary(async (temporary) => {
      let size = 0;
      const counted = metered(body, (total) => {
        size = total;
      });
      const { sha256, bytes, files } = await this.#helper.untar(join(temporary, 'diff'), counted, {
        devices: 'skip', // other people's base images carry a /dev that every container hides with its own
        ...(await this.limit()),
      });
      if (sha256 !== diffId)
        throw new AppError('bad_request', `layer "${diffId}" has the digest "${sha256}"`, {
          hint: 'the archive is damaged; save or download it again',
        });
      return { diffId, size, files, bytes, isForeign: true };
    });
  }

  /** Turns the writable folder of a stopped container into a layer, without a copy. The folder is gone afterwards. */
  async adopt(upper: string, mtime: number | undefined): Promise<LayerMeta> {
    return this.#inTemporary(async (temporary) => {
      const options = mtime === undefined ? {} : { mtime };
      const { sha256, size, files, bytes } = await this.#helper.digest(upper, options);
      renameSync(upper, join(temporary, 'diff'));
      return { diffId: sha256, size, files, bytes, ...options };
    });
  }

  /** The tar whose digest is the layer's. Its reader should hold it against that digest: files can be damaged. */
  async tar(diffId: string): Promise<Readable> {
    const { mtime } = this.meta(diffId);
    if (this.#needsBlob(diffId)) {
      const kept = await this.#openBlob(diffId);
      if (kept) return kept;
      const { sha256 } = await this.#helper.digest(this.diffDir(diffId));
      if (sha256 !== diffId)
        throw new AppError('not_found', `the original of layer "${diffId}" is no longer here`, {
          hint: 'pull or load the image again',
        });
    }
    return this.#helper.tar(this.diffDir(diffId), mtime === undefined ? {} : { mtime });
  }

  /** True when it can be given out as a tar again: its files make it, or a blob that is there. */
  async hasTar(diffId: string): Promise<boolean> {
    return !this.#needsBlob(diffId) || (await this.#presentBlob(diffId)) !== undefined;
  }

  /** Bytes of the tar that `tar` gives. */
  async tarSize(diffId: string): Promise<number> {
    const { size, bytes } = this.meta(diffId);
    if (size > bytes) return size;
    // A layer of an older store: counted once.
    let counted = 0;
    for await (const chunk of await this.tar(diffId)) counted += (chunk as Buffer).length;
    writeJson(this.#metaFile(diffId), { ...this.meta(diffId), size: counted });
    return counted;
  }

  /** Its files give its tar: no blob has to be kept for it. */
  async checkOwnTar(diffId: string): Promise<boolean> {
    const { sha256, size } = await this.#helper.digest(this.diffDir(diffId));
    if (sha256 !== diffId) return false;
    const { isForeign: _, ...meta } = this.meta(diffId);
    writeJson(this.#metaFile(diffId), { ...meta, size });
    return true;
  }

  /** Also for the layers of older stores, which did not say so: a tar is always longer than what it holds. */
  #needsBlob(diffId: string): boolean {
    const { isForeign, size, bytes } = this.meta(diffId);
    return isForeign ?? size <= bytes;
  }

  async #presentBlob(diffId: string): Promise<LayerBlob | undefined> {
    for (const blob of this.blobsOf(diffId)) if (await this.#blobs.has(blob.digest)) return blob;
    return undefined;
  }

  async #openBlob(diffId: string): Promise<Readable | undefined> {
    const blob = await this.#presentBlob(diffId);
    if (!blob) return undefined;
    const { decompressed } = await import('./decompress.ts');
    return decompressed(this.#blobs.open(blob.digest));
  }

  async remove(diffId: string): Promise<void> {
    const dead = this.#temporaryPath();
    try {
      renameSync(join(this.#dir, hexOf(diffId)), dead); // gone in one step, whatever happens to the slow removal
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return;
      throw error;
    }
    this.#unsynced.delete(diffId);
    await this.#helper.remove(dead);
  }

  /** An empty folder of its own below the store, for what an archive holds besides layers; the caller removes it. */
  async withScratch<T>(work: (dir: string) => Promise<T>): Promise<T> {
    const dir = this.#temporaryPath();
    mkdirSync(dir, { mode: 0o700 });
    try {
      return await work(dir);
    } finally {
      await this.#helper.remove(dir).catch((err: unknown) => this.#log.warn({ err }, 'scratch folder stays'));
    }
  }

  /**
   * Takes these paths away from where they are, in no time, and gives how to remove them for good, which may take long. What a crash leaves of
   * them is removed at the next start.
   */
  async setAside(paths: readonly string[]): Promise<() => void> {
    const aside = this.#temporaryPath();
    mkdirSync(aside, { mode: 0o700 });
    const remove = () =>
      void this.#helper
        .remove(aside)
        .catch((err: unknown) => this.#log.warn({ err }, 'what was set aside stays until the next start'));
    try {
      await this.#helper.setAside(paths, aside);
    } catch (error) {
      remove();
      throw error;
    }
    return remove;
  }

  /** Clears what a crash left behind: unfinished layers always, layers without a mark when the machine went down. */
  async recover(crashedMachine: boolean): Promise<void> {
    for (const name of readdirSync(this.#dir)) {
      if (name.startsWith('.tmp-')) await this.#helper.remove(join(this.#dir, name));
    }
    for (const diffId of this.list()) {
      if (existsSync(this.#durableFile(diffId))) continue;
      if (!crashedMachine && this.has(diffId)) this.#unsynced.add(diffId);
      else {
        this.#log.warn({ layer: diffId }, 'layer was not on disk when the machine went down');
        await this.remove(diffId);
      }
    }
    this.syncSoon();
  }

  /** Starts a sync of the store in the background, if none is under way. */
  syncSoon(): void {
    this.#syncing ??= this.#syncAll().finally(() => {
      this.#syncing = undefined;
    });
  }

  /** Resolves when a power loss would not take these layers any more. */
  async untilDurable(diffIds: readonly string[]): Promise<void> {
    while (diffIds.some((diffId) => this.#unsynced.has(diffId))) {
      this.syncSoon();
      await this.#syncing;
    }
  }

  async #syncAll(): Promise<void> {
    while (this.#unsynced.size > 0) {
      const batch = [...this.#unsynced];
      try {
        await this.#helper.sync(this.#dir);
        for (const diffId of batch) if (this.has(diffId)) writeFileSync(this.#durableFile(diffId), '');
      } catch (err) {
        this.#log.warn({ err }, 'layers cannot be synced to disk');
        await sleep(syncRetryMs, undefined, { ref: false });
        continue;
      }
      for (const diffId of batch) this.#unsynced.delete(diffId);
    }
  }

  async #inTemporary(make: (temporary: string) => Promise<Omit<LayerMeta, 'created'>>): Promise<LayerMeta> {
    const temporary = this.#temporaryPath();
    mkdirSync(temporary, { mode: 0o700 });
    try {
      const meta: LayerMeta = { ...(await make(temporary)), created: new Date().toISOString() };
      return await this.#publish(temporary, meta);
    } finally {
      if (existsSync(temporary)) await this.#helper.remove(temporary);
    }
  }

  async #publish(temporary: string, meta: LayerMeta): Promise<LayerMeta> {
    if (this.isWhole(meta.diffId)) return this.meta(meta.diffId);
    await this.remove(meta.diffId); // one that lost its files: this is its repair
    writeJson(join(temporary, 'meta.json'), meta);
    try {
      renameSync(temporary, join(this.#dir, hexOf(meta.diffId)));
    } catch (error) {
      // The same layer arrived twice at once; the first one stands.
      if (!['EEXIST', 'ENOTEMPTY'].includes(systemCode(error) ?? '')) throw error;
      return this.meta(meta.diffId);
    }
    this.#unsynced.add(meta.diffId);
    this.syncSoon();
    return meta;
  }

  #temporaryPath(): string {
    return join(this.#dir, `.tmp-${randomBytes(8).toString('hex')}`);
  }

  #metaFile(diffId: string): string {
    return join(this.#dir, hexOf(diffId), 'meta.json');
  }

  #blobsFile(diffId: string): string {
    return join(this.#dir, hexOf(diffId), 'blobs.json');
  }

  #damagedFile(diffId: string): string {
    return join(this.#dir, hexOf(diffId), 'damaged');
  }

  #durableFile(diffId: string): string {
    return join(this.#dir, hexOf(diffId), 'durable');
  }
}

function withLimit(options: UntarOptions, { maxBytes }: { maxBytes?: number }): UntarOptions {
  if (maxBytes === undefined) return options;
  return { ...options, maxBytes: Math.min(maxBytes, options.maxBytes ?? maxBytes) };
}

function hexOf(diffId: string): string {
  return checkDigest(diffId).slice('sha256:'.length);
}
