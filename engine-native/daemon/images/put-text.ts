// Puts a config or manifest, whose digest is known, into the blob store; one that is there already is only made young again.
import { Readable } from 'node:stream';
import type { BlobStore } from '../content/blob-store.ts';

export async function putText(blobs: BlobStore, text: string, digest: string): Promise<void> {
  if (await blobs.touch(digest)) return;
  await blobs.put(Readable.from([Buffer.from(text)]), { digest });
}
