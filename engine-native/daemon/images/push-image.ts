// `docker push`: what the registry has is not sent again, what another of its repositories has is mounted, the rest is uploaded. Called by POST
// /images/{name}/push. The manifest goes last: a push that breaks off leaves no tag behind.
import { AppError } from '@berth/kit/errors.ts';
import type { Credentials } from '../registry-client/credentials.ts';
import { registryEndpoint } from '../registry-client/endpoints.ts';
import { type Descriptor, type ImageManifest, parseManifest } from '../registry-client/manifest.ts';
import type { Registries } from '../registry-client/registries-file.ts';
import { RegistryFailure } from '../registry-client/registry-failure.ts';
import { RegistryRepository } from '../registry-client/registry-repository.ts';
import { uploadBlob } from '../registry-client/upload-blob.ts';
import { type ExportedImage, type ExportParts, exportImage } from './export-image.ts';
import type { Image } from './image-store.ts';
import type { Leases } from './leases.ts';
import { type Progress, shortId } from './progress.ts';
import { familiarName, parseReference, type Reference } from './references.ts';

const layersAtOnce = 5; // as Docker
const maxMountSources = 3; // each try costs a round trip; the newest are the likeliest

export interface PushParts extends ExportParts {
  registries: Registries;
  leases: Leases;
}

export interface PushRequest {
  reference: Reference;
  image: Image;
  tag: string;
  credentials: Credentials;
  progress: Progress;
  signal: AbortSignal;
}

export async function pushImage(request: PushRequest, parts: PushParts): Promise<void> {
  const { reference, image, tag, progress } = request;
  const sources = mountSources(image, reference, parts);
  const repository = openRepository(request, parts, sources);
  const { config } = image;
  const release = parts.leases.hold(config.diffIds);
  try {
    await repository.session.origin();
    for (const diffId of config.diffIds.toReversed()) progress.status('Preparing', shortId(diffId));
    const exported = await exportImage(image, { compression: compressionFor(repository) }, parts);
    const manifest = parseManifest(exported.text, exported.mediaType) as ImageManifest;
    await new LayerPush(request, parts, repository, sources).run(manifest);
    await repository.putManifest(tag, exported.mediaType, exported.text);
    remember(request, exported, parts);
    const size = exported.size;
    progress.message(`${tag}: digest: ${exported.digest} size: ${size}`);
    progress.write({ progressDetail: {}, aux: { Tag: tag, Digest: exported.digest, Size: size } });
  } catch (error) {
    throw pushFailure(error, reference);
  } finally {
    release();
    repository.close();
  }
}

/** zstd is smaller and ten times as fast, but only newer engines read it: ours always does. */
function compressionFor(repository: RegistryRepository): 'gzip' | 'zstd' {
  return /^berth/i.test(repository.session.serverName) ? 'zstd' : 'gzip';
}

function openRepository(
  { reference, credentials, signal }: PushRequest,
  { registries }: PushParts,
  sources: readonly string[],
): RegistryRepository {
  const file = registries.read();
  const endpoint = registryEndpoint(reference.domain, reference.path, file);
  return new RegistryRepository(
    { endpoint, credentials, registries: file, tokens: registries.tokens, signal },
    ['pull', 'push'],
    sources,
  );
}

/** Other repositories of the same registry that are known to have layers of the image. */
function mountSources(image: Image, reference: Reference, { images }: PushParts): string[] {
  const wanted = new Set(image.config.diffIds);
  const related = images.list().filter(({ config }) => config.diffIds.some((diffId) => wanted.has(diffId)));
  const paths = related
    .flatMap(({ id }) => images.originsOf(id))
    .map(({ repository }) => parseReference(repository))
    .filter(({ domain, path }) => domain === reference.domain && path !== reference.path)
    .map(({ path }) => path);
  return [...new Set(paths)].slice(-maxMountSources);
}

function remember({ reference, image }: PushRequest, exported: ExportedImage, { images }: PushParts): void {
  const { digest, mediaType } = exported;
  const isOwn = !images.originsOf(image.id).some((one) => one.manifest === digest && !one.isOwn);
  images.addOrigin(image, {
    repository: familiarName(reference),
    digest,
    manifest: digest,
    mediaType,
    isOwn,
  });
}

class LayerPush {
  readonly #request: PushRequest;
  readonly #parts: PushParts;
  readonly #repository: RegistryRepository;
  readonly #sources: readonly string[];

  constructor(
    request: PushRequest,
    parts: PushParts,
    repository: RegistryRepository,
    sources: readonly string[],
  ) {
    this.#request = request;
    this.#parts = parts;
    this.#repository = repository;
    this.#sources = sources;
  }

  async run({ layers, config }: ImageManifest): Promise<void> {
    const { diffIds } = this.#request.image.config;
    const named = layers.map((layer, index) => ({ layer, id: shortId(diffIds[index] ?? layer.digest) }));
    const unique = named.filter(
      ({ layer }, index) => named.findIndex((one) => one.layer.digest === layer.digest) === index,
    );
    for (const { id } of unique.slice(layersAtOnce)) this.#request.progress.status('Waiting', id);
    const queue = unique.values();
    const worker = async () => {
      for (const { layer, id } of queue) await this.#push(layer, id);
    };
    // All are waited for: none may still be sending when the failure of one is told.
    const outcomes = await Promise.allSettled(Array.from({ length: layersAtOnce }, worker));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
    if (!(await this.#repository.hasBlob(config.digest))) await this.#upload(config, () => {});
  }

  async #push(layer: Descriptor, id: string): Promise<void> {
    const { progress, signal } = this.#request;
    signal.throwIfAborted();
    if (await this.#repository.hasBlob(layer.digest)) return progress.status('Layer already exists', id);
    for (const from of this.#sources) {
      const answer = await this.#repository
        .startUpload({ digest: layer.digest, from })
        .catch(() => undefined);
      if (answer === 'mounted') return progress.status(`Mounted from ${from}`, id);
      // It began an upload of its own instead, which is not needed.
      if (answer) await this.#repository.cancelUpload(answer);
    }
    await this.#upload(layer, (current) => progress.bar(id, 'Pushing', current, layer.size));
    progress.status('Pushed', id);
  }

  async #upload({ digest, size }: Descriptor, onBytes: (current: number) => void): Promise<void> {
    const { blobs } = this.#parts;
    await uploadBlob(this.#repository, {
      digest,
      size,
      // A whole read checks the content against its digest; a part of it cannot.
      open: (start, end) =>
        start === 0 && end === size - 1 ? blobs.open(digest) : blobs.open(digest, { start, end }),
      onBytes,
      signal: this.#request.signal,
    });
  }
}

function pushFailure(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryFailure)) return error;
  const { registryStatus, registryCode, message } = error;
  if (registryStatus === 401 || registryStatus === 403 || registryCode === 'DENIED')
    return new AppError(
      'forbidden',
      `denied: requested access to the resource is denied: ${familiarName(reference)}: ${message}`,
      { hint: 'docker login with an account that may push there', cause: error },
    );
  return error;
}
