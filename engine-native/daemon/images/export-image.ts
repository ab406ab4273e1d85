// An image as a registry knows it: config and layers as blobs of the store, and the manifest that names them. Used by push and by the registry.
// A pulled image is given out with the manifest it came with, byte for byte; the manifest of our own images is the same each time.
import type { BlobStore } from '../content/blob-store.ts';
import {
  type ImageManifest,
  maxManifestBytes,
  mediaTypes,
  parseManifest,
} from '../registry-client/manifest.ts';
import { layerBlob, type PushCompression } from './compress-layer.ts';
import { digestOf } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { putText } from './put-text.ts';

export interface ExportParts {
  images: ImageStore;
  layers: LayerStore;
  blobs: BlobStore;
}

export interface ExportOptions {
  /** For layers that have to be compressed for this. */
  compression: PushCompression;
  /** Called for each layer that is being compressed, lowest first. */
  onLayer?: (diffId: string) => void;
}

export interface ExportedImage {
  mediaType: string;
  digest: string;
  size: number;
  text: string;
}

export async function exportImage(
  image: Image,
  options: ExportOptions,
  parts: ExportParts,
): Promise<ExportedImage> {
  return (await originalManifest(image, parts)) ?? (await ownManifest(image, options, parts));
}

/** The manifest it was pulled with, as long as everything it names is here. */
export async function originalManifest(
  image: Image,
  { images, blobs }: ExportParts,
): Promise<ExportedImage | undefined> {
  for (const { manifest, mediaType, isOwn } of images.originsOf(image.id).toReversed()) {
    if (isOwn) continue;
    const text = await blobs.readText(manifest, maxManifestBytes).catch(() => undefined);
    if (text === undefined || !(await isHere(text, mediaType, blobs))) continue;
    return { mediaType, digest: manifest, size: Buffer.byteLength(text), text };
  }
  return undefined;
}

async function isHere(text: string, mediaType: string, blobs: BlobStore): Promise<boolean> {
  const { config, layers } = parseManifest(text, mediaType) as ImageManifest;
  for (const { digest, size } of [config, ...layers])
    if ((await blobs.size(digest)) !== size || !(await blobs.touch(digest))) return false;
  return true;
}

async function ownManifest(
  image: Image,
  { compression, onLayer }: ExportOptions,
  parts: ExportParts,
): Promise<ExportedImage> {
  const { images, blobs } = parts;
  const configText = images.configText(image);
  await putText(blobs, configText, image.id);
  const layers: object[] = [];
  for (const diffId of image.config.diffIds) {
    onLayer?.(diffId);
    const blob = await layerBlob(diffId, compression, parts);
    layers.push({
      mediaType: `${mediaTypes.ociLayer}+${blob.compression}`,
      digest: blob.digest,
      size: blob.size,
    });
  }
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: {
      mediaType: mediaTypes.ociConfig,
      digest: image.id,
      size: Buffer.byteLength(configText),
    },
    layers,
  });
  const digest = digestOf(text);
  await putText(blobs, text, digest);
  return { mediaType: mediaTypes.ociManifest, digest, size: Buffer.byteLength(text), text };
}
