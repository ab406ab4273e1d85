// One blob on its way into the folder store: a file in ROOT/blobs/uploads that grows by chunks and is renamed into its place.
// Made by folder-blob-store.ts. Must never give a file a digest's name before its content was hashed and is on disk.
import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { createFolder, syncFolder } from './blob-folders.ts';
import type { StoredBlob, Upload } from './blob-store.ts';
import { type DigestAlgorithm, hashFor, parseDigest } from './digest.ts';

export interface FolderUploadParts {
  id: string;
  path: string;
  offset: number;
  algorithm: DigestAlgorithm;
  /** Where a blob of that digest belongs. */
  placeOf: (digest: string) => string;
  /** Called once when it is stored, cancelled or refused. */
  onEnd: () => void;
}

export class FolderUpload implements Upload {
  readonly id: string;
  readonly #path: string;
  readonly #placeOf: (digest: string) => string;
  readonly #onEnd: () => void;
  readonly #algorithm: DigestAlgorithm;
  /** Of the bytes so far; undefined after a restart, until they were read again. */
  #hash: Hash | undefined;
  #offset: number;
  #isBusy = false;
  #isFinishing = false;
  #hasEnded = false;

  constructor(parts: FolderUploadParts) {
    this.id = parts.id;
    this.#path = parts.path;
    this.#offset = parts.offset;
    this.#placeOf = parts.placeOf;
    this.#onEnd = parts.onEnd;
    this.#algorithm = parts.algorithm;
    if (parts.offset === 0) this.#hash = hashFor(parts.algorithm);
  }

  get offset(): number {
    return this.#offset;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  append(body: Readable): Promise<number> {
    return this.appendAtMost(body, Number.MAX_SAFE_INTEGER);
  }

  /** Like `append`; the upload must not grow beyond `maxBytes`. */
  appendAtMost(body: Readable, maxBytes: number): Promise<number> {
    return this.#alone(async () => {
      const hash = await this.#prefixHash();
      const file = await this.#openFile('r+');
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          if (this.#hasEnded) throw new AppError('not_found', `upload "${this.id}" was cancelled`);
          if (this.#offset + chunk.length > maxBytes)
            throw new AppError(
              'invalid',
              `the content is longer than the ${maxBytes} bytes that were announced`,
            );
          await writeAll(file, chunk, this.#offset);
          hash.update(chunk);
          this.#offset += chunk.length;
        }
      } finally {
        await file.close();
      }
      return this.#offset;
    });
  }

  finish(digest?: string): Promise<StoredBlob> {
    return this.#alone(async () => {
      this.#isFinishing = true;
      const algorithm = digest === undefined ? this.#algorithm : parseDigest(digest).algorithm;
      const hash = algorithm === this.#algorithm ? await this.#prefixHash() : await this.#hashFile(algorithm);
      const found = `${algorithm}:${hash.digest('hex')}`;
      try {
        if (digest !== undefined && digest !== found)
          throw new AppError('invalid', `the content has digest "${found}", not "${digest}"`);
        await this.#moveTo(this.#placeOf(found));
      } catch (error) {
        await rm(this.#path, { force: true });
        throw error;
      } finally {
        this.#end();
      }
      return { digest: found, size: this.#offset };
    });
  }

  async cancel(): Promise<void> {
    if (this.#isFinishing && !this.#hasEnded)
      throw new AppError('conflict', `upload "${this.id}" is being finished`);
    this.#end();
    await rm(this.#path, { force: true });
  }

  async #moveTo(place: string): Promise<void> {
    const file = await this.#openFile('r+');
    try {
      await file.truncate(this.#offset); // a write that failed half-way may have left more
      await file.sync();
    } finally {
      await file.close();
    }
    const folder = dirname(place);
    await createFolder(folder);
    // Also over one that is there: should that one be damaged, this repairs it.
    await rename(this.#path, place);
    await syncFolder(folder);
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#hasEnded) throw new AppError('not_found', `no such upload "${this.id}"`);
    if (this.#isBusy)
      throw new AppError('conflict', `upload "${this.id}" is being written by another request`);
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }

  async #prefixHash(): Promise<Hash> {
    this.#hash ??= await this.#hashFile(this.#algorithm);
    return this.#hash;
  }

  async #hashFile(algorithm: DigestAlgorithm): Promise<Hash> {
    const hash = hashFor(algorithm);
    if (this.#offset === 0) return hash;
    const end = this.#offset - 1;
    for await (const chunk of createReadStream(this.#path, { end, highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
    return hash;
  }

  async #openFile(flags: string): Promise<FileHandle> {
    try {
      return await open(this.#path, flags);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      this.#end();
      throw new AppError('not_found', `no such upload "${this.id}"`);
    }
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd();
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
