// Brings a manifest and what it names from another registry into the blob store, without making an image of it: the registry's pull-through
// cache. Called by the registry server for what its own repositories do not hold.
import { setMaxListeners } from 'node:events';
import type { BlobStore } from '../content/blob-store.ts';
import { anonymous } from '../registry-client/credentials.ts';
import { type Descriptor, parseManifest } from '../registry-client/manifest.ts';
import { PullSource } from '../registry-client/pull-source.ts';
import type { Registries } from '../registry-client/registries-file.ts';
import type { Downloads } from './download-blob.ts';
import type { Leases } from './leases.ts';
import { putText } from './put-text.ts';
import type { Reference } from './references.ts';

const blobsAtOnce = 3;

export interface PullThroughParts {
  blobs: BlobStore;
  registries: Registries;
  downloads: Downloads;
  leases: Leases;
}

export interface PulledManifest {
  mediaType: string;
  digest: string;
  size: number;
  text: string;
  /** What it names and is here now; of an index nothing: its manifests are asked for one by one. */
  blobs: string[];
}

/** By tag or digest; fails with `not_found` when the registry has none. */
export async function pullThrough(reference: Reference, parts: PullThroughParts): Promise<PulledManifest> {
  const broken = new AbortController();
  setMaxListeners(0, broken.signal);
  const source = new PullSource(reference, {
    credentials: anonymous,
    registries: parts.registries,
    signal: broken.signal,
  });
  try {
    const fetched = await source.manifest(reference.digest ?? reference.tag ?? 'latest');
    const parsed = parseManifest(fetched.text, fetched.mediaType);
    const named = parsed.kind === 'manifest' ? [parsed.config, ...parsed.layers] : [];
    const release = parts.leases.hold([fetched.digest, ...named.map(({ digest }) => digest)]);
    try {
      await fetchAll(named, source, parts, broken);
      await putText(parts.blobs, fetched.text, fetched.digest);
    } finally {
      release();
    }
    return {
      mediaType: parsed.mediaType,
      digest: fetched.digest,
      size: Buffer.byteLength(fetched.text),
      text: fetched.text,
      blobs: named.map(({ digest }) => digest),
    };
  } finally {
    source.close();
  }
}

async function fetchAll(
  named: readonly Descriptor[],
  source: PullSource,
  { downloads }: PullThroughParts,
  broken: AbortController,
): Promise<void> {
  const queue = named.values();
  const watch = { onBytes: () => {}, onVerify: () => {}, signal: broken.signal };
  const worker = async () => {
    for (const descriptor of queue) await downloads.fetch(descriptor, source, watch);
  };
  const workers = Array.from({ length: blobsAtOnce }, () =>
    worker().catch((error: unknown) => {
      broken.abort();
      throw error;
    }),
  );
  const failure = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
}
