// `docker pull`: manifest, config, then the layers three at a time, each checked against its digest and unpacked once. Called by POST /images/create.
// Must never name an image before all of it is here; a pull of an image that lost a layer repairs it.
import { AppError } from '@berth/kit/errors.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { Credentials } from '../registry-client/credentials.ts';
import {
  type Descriptor,
  type ImageManifest,
  maxConfigBytes,
  parseManifest,
} from '../registry-client/manifest.ts';
import { choosePlatform, type Platform, platformText, satisfies } from '../registry-client/platform.ts';
import { PullSource } from '../registry-client/pull-source.ts';
import type { Registries } from '../registry-client/registries-file.ts';
import type { FetchedManifest } from '../registry-client/registry-repository.ts';
import { decompressed } from './decompress.ts';
import type { Downloads } from './download-blob.ts';
import { type ImageConfig, parseImageConfig } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import type { Leases } from './leases.ts';
import { metered } from './metered.ts';
import { type Progress, shortId } from './progress.ts';
import { putText } from './put-text.ts';
import { familiarName, familiarReference, type Reference } from './references.ts';
import type { StoreQuota } from './store-quota.ts';

const layersAtOnce = 3; // as Docker: more share the same line and the same two cores

export interface PullParts {
  images: ImageStore;
  layers: LayerStore;
  blobs: BlobStore;
  registries: Registries;
  downloads: Downloads;
  leases: Leases;
  quota: StoreQuota;
}

export interface PullRequest {
  reference: Reference;
  /** undefined: the host's, and an image for another one is taken when there is nothing to choose. */
  platform: Platform | undefined;
  hostPlatform: Platform;
  credentials: Credentials;
  progress: Progress;
  signal: AbortSignal;
}

export interface Pulled {
  image: Image;
  isNew: boolean;
}

/** By its tag (`latest` when it has none) or digest. Throws before the first line of progress when there is nothing to pull. */
export async function pullImage(request: PullRequest, parts: PullParts): Promise<Pulled> {
  const { reference, progress } = request;
  const source = new PullSource(reference, { ...request, registries: parts.registries });
  try {
    const label = reference.digest ?? reference.tag ?? 'latest';
    const top = await source.manifest(label);
    progress.message(`Pulling from ${reference.path}`, reference.digest ?? label);
    const { manifest, fetched } = await imageManifest(top, source, request);
    const before = parts.images.find(
      familiarReference({ ...reference, ...(reference.digest ? {} : { tag: label }) }),
    );
    const image = await pullLayers({ manifest, fetched, top, source }, request, parts);
    const repository = familiarName(reference);
    parts.images.addOrigin(image, {
      repository,
      digest: top.digest,
      manifest: fetched.digest,
      mediaType: manifest.mediaType,
      isOwn: false,
    });
    if (reference.digest === undefined) parts.images.tag(image, `${repository}:${label}`);
    progress.message(`Digest: ${top.digest}`);
    return { image, isNew: before?.id !== image.id };
  } finally {
    source.close();
  }
}

interface Found {
  manifest: ImageManifest;
  fetched: FetchedManifest;
  top: FetchedManifest;
  source: PullSource;
}

/** Goes from an index to the manifest of the wanted platform. */
async function imageManifest(
  top: FetchedManifest,
  source: PullSource,
  { platform, hostPlatform, reference }: PullRequest,
): Promise<{ manifest: ImageManifest; fetched: FetchedManifest }> {
  let fetched = top;
  for (let depth = 0; depth < 3; depth++) {
    const parsed = parseManifest(fetched.text, fetched.mediaType);
    if (parsed.kind === 'manifest') return { manifest: parsed, fetched };
    const wanted = platform ?? hostPlatform;
    const entry = choosePlatform(parsed.manifests, wanted);
    if (!entry)
      throw new AppError(
        'not_found',
        `no matching manifest for ${platformText(wanted)} in the manifest list entries of ${familiarReference(reference)}: no match for platform in manifest`,
      );
    fetched = { ...(await source.manifest(entry.digest)), mediaType: entry.mediaType };
  }
  throw new AppError('bad_request', 'image indexes are nested too deeply');
}

async function pullLayers(found: Found, request: PullRequest, parts: PullParts): Promise<Image> {
  const { manifest, fetched, top, source } = found;
  const { leases, blobs, layers, images } = parts;
  const release = leases.hold([
    manifest.config.digest,
    ...manifest.layers.map(({ digest }) => digest),
    fetched.digest,
    top.digest,
  ]);
  let releaseLayers = () => {};
  try {
    const configText = await fetchConfig(manifest.config, source, request, parts);
    const config = parseImageConfig(JSON.parse(configText));
    checkConfig(config, manifest, request);
    releaseLayers = leases.hold(config.diffIds);
    await new LayerPull(request, parts, source).run(manifest.layers, config.diffIds);
    for (const { text, digest } of new Set([top, fetched])) await putText(blobs, text, digest);
    layers.syncSoon();
    return images.addConfig(configText);
  } finally {
    release();
    releaseLayers();
  }
}

async function fetchConfig(
  descriptor: Descriptor,
  source: PullSource,
  { signal }: PullRequest,
  { downloads, blobs }: PullParts,
): Promise<string> {
  if (descriptor.size > maxConfigBytes)
    throw new AppError('too_large', `the image config is larger than ${maxConfigBytes} bytes`);
  await downloads.fetch(descriptor, source, { onBytes: () => {}, onVerify: () => {}, signal });
  return blobs.readText(descriptor.digest, maxConfigBytes);
}

function checkConfig(
  config: ImageConfig,
  manifest: ImageManifest,
  { platform, reference }: PullRequest,
): void {
  if (config.diffIds.length !== manifest.layers.length)
    throw new AppError(
      'bad_request',
      `the image names ${config.diffIds.length} layers, its manifest ${manifest.layers.length}`,
    );
  if (config.os !== 'linux')
    throw new AppError(
      'unsupported',
      `image operating system "${config.os}" cannot be used on this platform`,
    );
  if (platform && !satisfies(config, platform))
    throw new AppError(
      'not_found',
      `image with reference ${familiarReference(reference)} was found but does not provide the specified platform (${platformText(platform)}): it is for ${platformText(config)}`,
    );
}

/** The layers of one pull: downloads side by side, unpacked one after another. */
class LayerPull {
  readonly #request: PullRequest;
  readonly #parts: PullParts;
  readonly #source: PullSource;
  #unpacking: Promise<void> = Promise.resolve();

  constructor(request: PullRequest, parts: PullParts, source: PullSource) {
    this.#request = request;
    this.#parts = parts;
    this.#source = source;
  }

  async run(descriptors: ImageManifest['layers'], diffIds: readonly string[]): Promise<void> {
    const missing: { layer: ImageManifest['layers'][number]; diffId: string }[] = [];
    for (const [index, layer] of descriptors.entries()) {
      const diffId = diffIds[index] ?? '';
      if (await this.#isComplete(diffId))
        this.#request.progress.status('Already exists', shortId(layer.digest));
      else if (!missing.some((other) => other.diffId === diffId)) missing.push({ layer, diffId });
    }
    for (const { layer } of missing) this.#request.progress.status('Pulling fs layer', shortId(layer.digest));
    for (const { layer } of missing.slice(layersAtOnce))
      this.#request.progress.status('Waiting', shortId(layer.digest));
    await this.#parts.quota.makeRoom(missing.reduce((sum, { layer }) => sum + layer.size, 0));
    // The first failure stops the others: their bytes are kept, the next pull goes on from there.
    const failed = new AbortController();
    const signal = AbortSignal.any([failed.signal, this.#request.signal]);
    const queue = missing.values();
    const worker = async () => {
      for (const { layer, diffId } of queue) await this.#pull(layer, diffId, signal);
    };
    const workers = Array.from({ length: layersAtOnce }, () =>
      worker().catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    );
    const outcomes = await Promise.allSettled(workers);
    await this.#unpacking.catch(() => {});
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    const first = failures.find(({ reason }) => !isAbort(reason)) ?? failures[0];
    if (first) throw first.reason;
  }

  /** Also that its tar can be given out again: a layer that lost its blob is completed by the next pull. */
  async #isComplete(diffId: string): Promise<boolean> {
    const { layers } = this.#parts;
    return layers.isWhole(diffId) && (await layers.hasTar(diffId));
  }

  async #pull(layer: ImageManifest['layers'][number], diffId: string, signal: AbortSignal): Promise<void> {
    const { progress } = this.#request;
    const id = shortId(layer.digest);
    signal.throwIfAborted();
    await this.#parts.downloads.fetch(layer, this.#source, {
      onBytes: (current, total) => progress.bar(id, 'Downloading', current, total),
      onVerify: () => progress.status('Verifying Checksum', id),
      signal,
    });
    progress.status('Download complete', id);
    const turn = this.#unpacking.then(() => this.#unpack(layer, diffId, signal));
    this.#unpacking = turn.catch(() => {});
    await turn;
    progress.status('Pull complete', id);
  }

  async #unpack(layer: ImageManifest['layers'][number], diffId: string, signal: AbortSignal): Promise<void> {
    const { layers, blobs } = this.#parts;
    signal.throwIfAborted();
    if (!layers.isWhole(diffId)) {
      const blob = blobs.open(layer.digest);
      const watched = metered(blob, (current) =>
        this.#request.progress.bar(shortId(layer.digest), 'Extracting', current, layer.size),
      );
      try {
        await layers.receiveVerified(await decompressed(watched), diffId);
      } finally {
        blob.destroy();
      }
    }
    const { digest, size, compression } = layer;
    layers.addBlob(diffId, { digest, size, compression, isOwn: false });
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
