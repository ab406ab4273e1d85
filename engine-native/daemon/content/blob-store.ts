// Where compressed layers, configs and manifests lie, by digest: the one interface the registry, pulls and pushes store through.
// Small on purpose, so that a bucket can take the folder's place; folder-blob-store.ts is the folder. Knows nothing of images.
import type { Readable } from 'node:stream';
import type { DigestAlgorithm } from './digest.ts';

/** Bytes `start` to `end`, both included, as HTTP counts them. */
export interface BlobRange {
  start: number;
  end: number;
}

export interface StoredBlob {
  digest: string;
  size: number;
}

export interface ListedBlob extends StoredBlob {
  /** When it was put, put again, or touched: garbage collection leaves the fresh ones. */
  usedAtMs: number;
}

export interface ExpectedBlob {
  digest?: string;
  /** Bytes. A body that is longer is cut off at once, a shorter one is refused at its end. */
  size?: number;
}

/** One blob on its way in. It lives on disk and outlasts the daemon: `resume` finds it again. */
export interface Upload {
  readonly id: string;
  /** Bytes that are here; the next chunk begins there. */
  readonly offset: number;
  /** Appends a chunk. When its body breaks off, what arrived stays and counts. One at a time, or `conflict`. */
  append(body: Readable): Promise<number>;
  /** Checks the whole and puts it into the store. `invalid` when the digest differs; the upload is over either way. */
  finish(digest?: string): Promise<StoredBlob>;
  cancel(): Promise<void>;
}

export interface BlobStore {
  has(digest: string): Promise<boolean>;
  /** Bytes, or undefined when it is not there. */
  size(digest: string): Promise<number | undefined>;
  /**
   * The content as a stream; it fails with `not_found` when there is none. A whole blob is checked against its digest the first
   * time it is read: a damaged one fails before its last byte and is dropped, so that the next pull or push brings it back.
   */
  open(digest: string, range?: BlobRange): Readable;
  /** The whole content of a small blob, always checked; `too_large` beyond `maxBytes`. */
  readText(digest: string, maxBytes: number): Promise<string>;
  /** Resolves when a power loss would not take it any more. */
  put(body: Readable, expected?: ExpectedBlob): Promise<StoredBlob>;
  startUpload(algorithm?: DigestAlgorithm): Promise<Upload>;
  resume(id: string): Promise<Upload | undefined>;
  /** Restarts its age, so that garbage collection leaves it for another while. False when it is not there. */
  touch(digest: string): Promise<boolean>;
  /** False when it is not there, or was put or touched less than `unusedForMs` ago. */
  remove(digest: string, unusedForMs?: number): Promise<boolean>;
  list(): AsyncIterable<ListedBlob>;
  /** Drops uploads nobody has touched for so long; answers how many. */
  removeStaleUploads(unusedForMs: number): Promise<number>;
}
