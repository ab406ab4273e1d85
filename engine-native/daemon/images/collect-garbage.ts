// Frees layers and blobs nobody needs: marks what images, containers, the registry and work in flight reach, sweeps the rest.
// Called after images were removed, every half hour, and by the disk quota. Must never take what is so fresh that its user is still to come:
// a build sends its layers first and its image last, a client its blobs first and its manifest last.
import type { Logger } from '@berth/kit/logging.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { ImageDocumentStore } from './image-documents.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import type { Leases } from './leases.ts';

const maxManifestBytes = 4 * 1024 * 1024;

export interface GarbageParts {
  images: ImageStore;
  layers: LayerStore;
  blobs: BlobStore;
  documents: ImageDocumentStore;
  leases: Leases;
  registry: ContainerRegistry;
  /** More digests that must stay: what the registry's manifests reach. Asked anew each time. */
  blobRoots: (() => Promise<Iterable<string>>)[];
  /** Layers that a later build may take again: they stay until a user says otherwise. */
  cachedLayers: () => ReadonlySet<string>;
  /** How long what nobody names yet is left alone, in milliseconds. */
  graceMs: number;
  /** Also what was compressed for pushes and can be compressed again: when the disk is full. */
  dropsOwnBlobs?: boolean;
  log: Logger;
}

/** What images that were just removed on a user's word leave behind: it was named before, so its age says nothing. */
export interface Released {
  layers: ReadonlySet<string>;
  blobs: ReadonlySet<string>;
}

const nothing: Released = { layers: new Set(), blobs: new Set() };

export interface Freed {
  layers: string[];
  bytes: number;
}

/** Asked before the images are removed. */
export async function releasedBy(
  images: readonly Image[],
  { images: store, layers, blobs, documents }: GarbageParts,
): Promise<Released> {
  const diffIds = new Set(images.flatMap(({ config }) => config.diffIds));
  const digests = new Set(
    [...diffIds].flatMap((diffId) => layers.blobsOf(diffId)).map(({ digest }) => digest),
  );
  for (const { id } of images) {
    for (const { digest } of documents.of(id)) digests.add(digest);
    for (const { digest, manifest } of store.originsOf(id))
      for (const named of [digest, manifest, ...(await namedBy(blobs, manifest))]) digests.add(named);
  }
  return { layers: diffIds, blobs: digests };
}

export async function collectGarbage(parts: GarbageParts, released = nothing): Promise<Freed> {
  const { layers, bytes } = await sweepLayers(parts, released.layers);
  const blobBytes = await sweepBlobs(parts, released.blobs);
  return { layers, bytes: bytes + blobBytes };
}

async function sweepLayers(
  { images, layers, registry, leases, cachedLayers, graceMs }: GarbageParts,
  released: ReadonlySet<string>,
): Promise<Freed> {
  const removed: string[] = [];
  const cached = cachedLayers();
  let bytes = 0;
  for (const diffId of layers.list()) {
    // Looked up for each one: an image may have been made of it while the one before was being removed.
    const isNeeded =
      leases.has(diffId) ||
      images.list().some(({ config }) => config.diffIds.includes(diffId)) ||
      registry.list().some(({ record }) => record.layers.includes(diffId));
    if (isNeeded) continue;
    const meta = layers.has(diffId) ? layers.meta(diffId) : undefined;
    const isFresh = meta !== undefined && Date.now() - Date.parse(meta.created) < graceMs;
    if ((isFresh || cached.has(diffId)) && !released.has(diffId)) continue;
    await layers.remove(diffId);
    removed.push(diffId);
    bytes += meta?.bytes ?? 0;
  }
  return { layers: removed, bytes };
}

async function sweepBlobs(parts: GarbageParts, released: ReadonlySet<string>): Promise<number> {
  const { blobs, leases, graceMs, log } = parts;
  let needed: Set<string>;
  try {
    needed = await neededBlobs(parts);
  } catch (err) {
    log.warn({ err }, 'blobs are not collected: what needs them is not known');
    return 0;
  }
  let bytes = 0;
  for await (const { digest, size } of blobs.list()) {
    if (needed.has(digest) || leases.has(digest)) continue;
    if (await blobs.remove(digest, released.has(digest) ? 0 : graceMs)) bytes += size;
  }
  await blobs.removeStaleUploads(Math.max(graceMs, staleUploadMs));
  return bytes;
}

const staleUploadMs = 24 * 3_600_000; // a pull that was cut off goes on where it stopped, for a day

async function neededBlobs({
  images,
  layers,
  blobs,
  blobRoots,
  dropsOwnBlobs = false,
}: GarbageParts): Promise<Set<string>> {
  const needed = new Set<string>();
  const stays = ({ isOwn }: { isOwn: boolean }) => !(isOwn && dropsOwnBlobs);
  for (const diffId of layers.list())
    for (const { digest } of layers.blobsOf(diffId).filter(stays)) needed.add(digest);
  for (const image of images.list()) {
    for (const { digest, manifest } of images.originsOf(image.id).filter(stays)) {
      needed.add(digest);
      needed.add(manifest);
      for (const named of await namedBy(blobs, manifest)) needed.add(named);
    }
  }
  for (const roots of blobRoots) for (const digest of await roots()) needed.add(digest);
  return needed;
}

/** What a manifest names; nothing when the blob store lost it. */
async function namedBy(blobs: BlobStore, digest: string): Promise<string[]> {
  try {
    const manifest = JSON.parse(await blobs.readText(digest, maxManifestBytes)) as {
      config?: { digest?: string };
      layers?: { digest?: string }[];
    };
    return [manifest.config, ...(manifest.layers ?? [])].flatMap((named) => named?.digest ?? []);
  } catch {
    return [];
  }
}
