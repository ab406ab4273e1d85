// A layer's tar as a compressed blob: made once, kept by the layer, the same bytes each time. Called by export-image.ts.
// Must never give out a layer whose files are no longer what its digest says.
import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { LayerBlob, LayerStore } from './layer-store.ts';

/** gzip: three times as fast as the usual 6, a few percent larger. zstd 3: smaller than either and ten times as fast. */
const gzipLevel = 3;
const compressorBytes = 1 << 18; // Node's own 16 KiB cost a turn of the event loop each

export type PushCompression = 'gzip' | 'zstd';

export interface CompressParts {
  layers: LayerStore;
  blobs: BlobStore;
}

/** Work in flight, so that two pushes of one image compress it once. */
const running = new WeakMap<LayerStore, Map<string, Promise<LayerBlob>>>();

export async function layerBlob(
  diffId: string,
  compression: PushCompression,
  parts: CompressParts,
): Promise<LayerBlob> {
  const kept = await keptBlob(diffId, compression, parts);
  if (kept) return kept;
  const works = running.get(parts.layers) ?? new Map<string, Promise<LayerBlob>>();
  running.set(parts.layers, works);
  const key = `${compression} ${diffId}`;
  const work = works.get(key) ?? compress(diffId, compression, parts).finally(() => works.delete(key));
  works.set(key, work);
  return work;
}

/** The form it came in will do, as long as the other side can read it: gzip is read everywhere. */
async function keptBlob(
  diffId: string,
  compression: PushCompression,
  { layers, blobs }: CompressParts,
): Promise<LayerBlob | undefined> {
  const usable = layers
    .blobsOf(diffId)
    .filter((blob) => blob.compression === compression || (blob.compression === 'gzip' && !blob.isOwn))
    .sort((a, b) => Number(b.compression === compression) - Number(a.compression === compression));
  for (const blob of usable) if (await blobs.touch(blob.digest)) return blob;
  return undefined;
}

async function compress(
  diffId: string,
  compression: PushCompression,
  { layers, blobs }: CompressParts,
): Promise<LayerBlob> {
  try {
    const tar = checkedTar(await layers.tar(diffId), diffId);
    const stored = await blobs.put(await compressed(tar, compression));
    const blob = { ...stored, compression, isOwn: true };
    layers.addBlob(diffId, blob);
    return blob;
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid') layers.markDamaged(diffId);
    throw error;
  }
}

async function compressed(tar: Readable, compression: PushCompression): Promise<Readable> {
  if (compression === 'gzip') return (await import('./gzip-members.ts')).gzipMembers(tar, gzipLevel);
  const { createZstdCompress } = await import('node:zlib');
  return pipeline(tar, createZstdCompress({ chunkSize: compressorBytes }), () => {});
}

/** The bytes as they come; at their end it fails when they are not the layer's. */
export function checkedTar(tar: Readable, diffId: string): Readable {
  async function* pieces(): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
    if (`sha256:${hash.digest('hex')}` !== diffId)
      throw new AppError('invalid', `layer "${diffId}" is damaged on disk`, {
        hint: 'pull or load its image again',
      });
  }
  return Readable.from(pieces(), { objectMode: false });
}
