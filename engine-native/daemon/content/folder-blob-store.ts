// The blob store in a folder: ROOT/blobs/<algorithm>/<2 hex>/<hex>, mode 0600; uploads in ROOT/blobs/uploads/<id>.
// Called by everything that has a BlobStore. A crash at any byte leaves whole blobs and uploads, never half a blob.
import { randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { BlobRange, BlobStore, ExpectedBlob, ListedBlob, StoredBlob } from './blob-store.ts';
import { type DigestAlgorithm, digestAlgorithms, digestOfBytes, isDigest, parseDigest } from './digest.ts';
import { FolderUpload } from './folder-upload.ts';
import { checkedContent } from './verify-content.ts';

const maxUploads = 1000; // a client that opens uploads and leaves must not fill the folder
const pressedUploadMs = 3_600_000; // whoever opens uploads and leaves must not keep others from pulling and pushing for a day
const maxVerified = 10_000; // digests remembered as read and right; beyond that the oldest are checked again

export class FolderBlobStore implements BlobStore {
  readonly #dir: string;
  readonly #uploadsDir: string;
  readonly #uploads = new Map<string, FolderUpload>();
  readonly #verified = new Set<string>();

  constructor(root: string) {
    this.#dir = join(root, 'blobs');
    this.#uploadsDir = join(this.#dir, 'uploads');
    mkdirSync(this.#uploadsDir, { recursive: true, mode: 0o700 });
    for (const algorithm of Object.keys(digestAlgorithms))
      mkdirSync(join(this.#dir, algorithm), { recursive: true, mode: 0o700 });
  }

  async has(digest: string): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  async size(digest: string): Promise<number | undefined> {
    return (await statOrNothing(this.#pathOf(digest)))?.size;
  }

  open(digest: string, range?: BlobRange): Readable {
    return Readable.from(this.#read(digest, range), { objectMode: false });
  }

  async readText(digest: string, maxBytes: number): Promise<string> {
    const size = await this.size(digest);
    if (size === undefined) throw missing(digest);
    if (size > maxBytes) throw new AppError('too_large', `blob "${digest}" is longer than ${maxBytes} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(this.#pathOf(digest))) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    if (digestOfBytes(bytes, parseDigest(digest).algorithm) !== digest) throw await this.#damaged(digest);
    return bytes.toString('utf8');
  }

  async put(body: Readable, expected: ExpectedBlob = {}): Promise<StoredBlob> {
    const algorithm = expected.digest === undefined ? 'sha256' : parseDigest(expected.digest).algorithm;
    const upload = await this.startUpload(algorithm);
    try {
      await upload.appendAtMost(body, expected.size ?? Number.MAX_SAFE_INTEGER);
      if (expected.size !== undefined && upload.offset !== expected.size)
        throw new AppError('invalid', `the content has ${upload.offset} bytes, not ${expected.size}`);
      return await upload.finish(expected.digest);
    } catch (error) {
      await upload.cancel();
      throw error;
    }
  }

  async startUpload(algorithm: DigestAlgorithm = 'sha256'): Promise<FolderUpload> {
    if (this.#countUploads() >= maxUploads) await this.removeStaleUploads(pressedUploadMs);
    if (this.#countUploads() >= maxUploads)
      throw new AppError('rate_limited', `${maxUploads} uploads are open already`, {
        hint: 'finish or cancel some',
      });
    const id = randomBytes(16).toString('hex');
    const file = await open(join(this.#uploadsDir, id), 'wx', 0o600);
    await file.close();
    return this.#adopt(id, 0, algorithm);
  }

  async resume(id: string): Promise<FolderUpload | undefined> {
    if (!/^[0-9a-f]{32}$/.test(id)) return undefined;
    const known = this.#uploads.get(id);
    if (known) return known;
    const found = await statOrNothing(join(this.#uploadsDir, id));
    // Two requests may have come here at once: the first one's upload is the one.
    return found && (this.#uploads.get(id) ?? this.#adopt(id, found.size, 'sha256'));
  }

  async touch(digest: string): Promise<boolean> {
    const now = new Date();
    try {
      await utimes(this.#pathOf(digest), now, now);
      return true;
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async remove(digest: string, unusedForMs = 0): Promise<boolean> {
    const path = this.#pathOf(digest);
    try {
      // In one breath: nobody can touch it between the look and the removal.
      if (unusedForMs > 0 && Date.now() - statSync(path).mtimeMs < unusedForMs) return false;
      unlinkSync(path);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
    this.#verified.delete(digest);
    return true;
  }

  async *list(): AsyncGenerator<ListedBlob> {
    for (const algorithm of Object.keys(digestAlgorithms)) {
      for (const start of await readdir(join(this.#dir, algorithm))) {
        const folder = join(this.#dir, algorithm, start);
        for (const hex of await readdir(folder)) {
          const digest = `${algorithm}:${hex}`;
          const found = isDigest(digest) ? await statOrNothing(join(folder, hex)) : undefined;
          if (found) yield { digest, size: found.size, usedAtMs: found.mtimeMs };
        }
      }
    }
  }

  async removeStaleUploads(unusedForMs: number): Promise<number> {
    let removed = 0;
    for (const id of await readdir(this.#uploadsDir)) {
      const path = join(this.#uploadsDir, id);
      const found = await statOrNothing(path);
      const upload = this.#uploads.get(id);
      if (!found || upload?.isBusy || Date.now() - found.mtimeMs < unusedForMs) continue;
      if (upload) await upload.cancel();
      else await rm(path, { force: true });
      removed++;
    }
    return removed;
  }

  async *#read(digest: string, range?: BlobRange): AsyncGenerator<Buffer> {
    const size = await this.size(digest);
    if (size === undefined) throw missing(digest);
    const isWhole = range === undefined || (range.start === 0 && range.end >= size - 1);
    const source = createReadStream(this.#pathOf(digest), { ...range, highWaterMark: 1 << 18 });
    if (!isWhole || this.#verified.has(digest)) {
      yield* source as AsyncIterable<Buffer>;
      return;
    }
    const isRight = yield* checkedContent(source as AsyncIterable<Buffer>, digest);
    if (!isRight) throw await this.#damaged(digest);
    if (this.#verified.size >= maxVerified) this.#verified.delete(this.#verified.values().next().value ?? '');
    this.#verified.add(digest);
  }

  /** Content that is not what its name says is worth nothing: without it, the next pull or push brings it again. */
  async #damaged(digest: string): Promise<AppError> {
    await this.remove(digest);
    return new AppError('internal', `blob "${digest}" is damaged on disk and was dropped`, {
      hint: 'pull or push its image again',
    });
  }

  #adopt(id: string, offset: number, algorithm: DigestAlgorithm): FolderUpload {
    const upload = new FolderUpload({
      id,
      path: join(this.#uploadsDir, id),
      offset,
      algorithm,
      placeOf: (digest) => this.#pathOf(digest),
      onEnd: () => this.#uploads.delete(id),
    });
    this.#uploads.set(id, upload);
    return upload;
  }

  #countUploads(): number {
    return readdirSync(this.#uploadsDir).length;
  }

  #pathOf(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#dir, algorithm, hex.slice(0, 2), hex);
  }
}

async function statOrNothing(path: string): Promise<{ size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function missing(digest: string): AppError {
  return new AppError('not_found', `no such blob "${digest}"`);
}
