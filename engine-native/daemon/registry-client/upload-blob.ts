// Sends one blob to a registry: small ones in one piece, large ones in chunks, and after a cut from where the registry says it stopped.
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import { mayPass } from './registry-failure.ts';
import type { RegistryRepository } from './registry-repository.ts';

const chunkBytes = 64 * 1024 * 1024; // what a cut costs at most
const maxAttempts = 5;
const betweenAttempts = { firstMs: 200, maxMs: 5_000 };

export interface BlobToSend {
  digest: string;
  size: number;
  /** Both included. */
  open: (start: number, end: number) => Readable;
  onBytes: (current: number) => void;
  signal?: AbortSignal | undefined;
}

/** The part of a repository that uploads need. */
export type UploadTarget = Pick<
  RegistryRepository,
  'startUpload' | 'sendChunk' | 'uploadedBytes' | 'finishUpload'
>;

export async function uploadBlob(repository: UploadTarget, blob: BlobToSend): Promise<void> {
  let upload: URL | undefined;
  let offset = 0;
  for (let attempt = 0; ; attempt++) {
    const before: number = offset;
    try {
      upload ??= await begin(repository);
      if (blob.size <= chunkBytes && offset === 0) {
        const body = watched(blob, 0, blob.size);
        return await repository.finishUpload(upload, blob.digest, { body, size: blob.size });
      }
      while (offset < blob.size) {
        const size = Math.min(chunkBytes, blob.size - offset);
        upload = await repository.sendChunk(upload, watched(blob, offset, size), { start: offset, size });
        offset += size;
      }
      return await repository.finishUpload(upload, blob.digest);
    } catch (error) {
      blob.signal?.throwIfAborted();
      if (offset > before) attempt = 0;
      // Our own store's failures come as they are; only the line and a busy registry are worth another try.
      if (!mayPass(error) || attempt + 1 >= maxAttempts) throw error;
      await sleep(backoffDelay(attempt, betweenAttempts));
      const state = upload && (await repository.uploadedBytes(upload).catch(() => undefined));
      upload = state?.next;
      offset = state && state.offset <= blob.size ? state.offset : 0;
    }
  }
}

async function begin(repository: UploadTarget): Promise<URL> {
  const upload = await repository.startUpload();
  if (upload === 'mounted') throw new AppError('internal', 'an upload was answered with a mount');
  return upload;
}

function watched({ open, onBytes, size: total }: BlobToSend, start: number, size: number): Readable {
  if (size === 0) return Readable.from([], { objectMode: false });
  const body = open(start, start + size - 1);
  let current = start;
  async function* pieces(): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      current += chunk.length;
      onBytes(Math.min(current, total));
      yield chunk;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
