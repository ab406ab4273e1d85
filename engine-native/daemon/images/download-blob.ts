// Brings one blob from a registry into the blob store: goes on where a cut connection, a cancelled pull or a killed daemon left it.
// Called by pulls and the pull-through cache. Must never put a blob under a digest it does not have.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import type { BlobStore, Upload } from '../content/blob-store.ts';
import { isDigestAlgorithm } from '../content/digest.ts';
import { readJson, writeJson } from '../files.ts';
import type { Descriptor } from '../registry-client/manifest.ts';
import type { PullSource } from '../registry-client/pull-source.ts';
import { mayPass } from '../registry-client/registry-failure.ts';

const maxAttempts = 5; // without a byte in between; a registry that is away must fail the pull
const betweenAttempts = { firstMs: 200, maxMs: 5_000 };

export interface DownloadWatch {
  onBytes: (current: number, total: number) => void;
  onVerify: () => void;
  signal?: AbortSignal | undefined;
}

export class Downloads {
  readonly #blobs: BlobStore;
  readonly #dir: string;
  readonly #running = new Map<string, Promise<void>>();

  /** `root`: ROOT; which upload holds the beginning of which blob is kept in ROOT/downloads. */
  constructor(root: string, blobs: BlobStore) {
    this.#blobs = blobs;
    this.#dir = join(root, 'downloads');
  }

  /** Two pulls that want the same blob share one download. */
  async fetch(descriptor: Descriptor, source: PullSource, watch: DownloadWatch): Promise<void> {
    const { digest } = descriptor;
    for (;;) {
      const running = this.#running.get(digest);
      if (!running) break;
      // When the other one fails or is cancelled, this one goes on where it stopped.
      await running.catch(() => {});
      watch.signal?.throwIfAborted();
    }
    const work = this.#fetchAlone(descriptor, source, watch).finally(() => this.#running.delete(digest));
    this.#running.set(digest, work);
    await work;
  }

  async #fetchAlone(descriptor: Descriptor, source: PullSource, watch: DownloadWatch): Promise<void> {
    const { digest, size } = descriptor;
    if ((await this.#blobs.size(digest)) === size && (await this.#blobs.touch(digest))) return;
    const upload = await this.#resumeOrStart(digest, size);
    try {
      await this.#fill(upload, descriptor, source, watch);
    } catch (error) {
      // What a full disk or an untruthful registry left is worth nothing; a cut leaves a good beginning.
      if (systemCode(error) === 'ENOSPC' || (error instanceof AppError && !mayPass(error)))
        await this.#drop(digest, upload);
      throw error;
    }
    watch.onVerify();
    this.#forget(digest);
    try {
      await upload.finish(digest);
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'invalid')) throw error;
      if (source.distrust()) return this.#fetchAlone(descriptor, source, watch);
      throw new AppError('invalid', `filesystem layer verification failed for digest ${digest}`, {
        hint: 'the registry sent other bytes than it promised; try again',
        cause: error,
      });
    }
  }

  async #fill(
    upload: Upload,
    { digest, size }: Descriptor,
    source: PullSource,
    watch: DownloadWatch,
  ): Promise<void> {
    for (let attempt = 0; upload.offset < size; attempt++) {
      const before = upload.offset;
      try {
        const { body, offset } = await source.openBlob(digest, before);
        await upload.append(
          expected(body, { skip: before - offset, from: before, size }, (current) =>
            watch.onBytes(current, size),
          ),
        );
        if (upload.offset < size)
          throw new Error(`"${digest}" ended after ${upload.offset} of ${size} bytes`);
      } catch (error) {
        watch.signal?.throwIfAborted();
        if (upload.offset > before) attempt = 0;
        const isFinal = (error instanceof AppError && !mayPass(error)) || systemCode(error) === 'ENOSPC';
        if (isFinal || attempt + 1 >= maxAttempts) throw error;
        await sleep(backoffDelay(attempt, betweenAttempts), undefined, {
          ...(watch.signal ? { signal: watch.signal } : {}),
        });
      }
    }
  }

  async #resumeOrStart(digest: string, size: number): Promise<Upload> {
    const known = readJson<{ upload: string }>(this.#recordOf(digest));
    const begun = known && (await this.#blobs.resume(known.upload));
    if (begun && begun.offset <= size) return begun;
    const algorithm = digest.slice(0, digest.indexOf(':'));
    const upload = await this.#blobs.startUpload(isDigestAlgorithm(algorithm) ? algorithm : 'sha256');
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    writeJson(this.#recordOf(digest), { upload: upload.id });
    return upload;
  }

  async #drop(digest: string, upload: Upload): Promise<void> {
    this.#forget(digest);
    await upload.cancel().catch(() => {});
  }

  #forget(digest: string): void {
    rmSync(this.#recordOf(digest), { force: true });
  }

  #recordOf(digest: string): string {
    return join(this.#dir, `${digest.replace(':', '-')}.json`);
  }
}

/** The body without what is here already, cut off as soon as it is longer than it may be. */
function expected(
  body: Readable,
  { skip, from, size }: { skip: number; from: number; size: number },
  onBytes: (current: number) => void,
): Readable {
  let toSkip = skip;
  let current = from;
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const piece = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - piece.length;
      current += piece.length;
      if (current > size)
        throw new AppError('invalid', `the registry sends more than the ${size} bytes it announced`);
      onBytes(current);
      if (piece.length > 0) yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
