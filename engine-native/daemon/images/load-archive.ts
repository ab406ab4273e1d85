// Reads what `docker save` and OCI tools write: an archive with image configs and layer tars, verified by digest. Called by POST /images/load.
// Must never follow a link out of the unpacked archive.
import { createHash } from 'node:crypto';
import { createReadStream, ReadStream, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createZstdCompress, Gunzip } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { JsonFields } from '../json-fields.ts';
import { choosePlatform, hostPlatform, type Platform, platformText } from '../registry-client/platform.ts';
import type { Helper } from '../runtime/helper.ts';
import { decompressed } from './decompress.ts';
import { checkDigest, digestOf, parseImageConfig } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';

const maxJsonBytes = 8 * 1024 * 1024; // a config or manifest beyond this is an attack on our memory
const imageNameKeys = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];

interface ArchivedImage {
  configText: string;
  /** Paths of the layer tars inside the archive, lowest first. */
  layers: string[];
  tags: string[];
}

export interface LoadedImage {
  image: Image;
  tags: string[];
}

export interface LoadParts {
  helper: Helper;
  layers: LayerStore;
  images: ImageStore;
  blobs: BlobStore;
}

export interface LoadOptions {
  /** The one to take of an image that has several. */
  platform?: Platform;
  /**
   * Layers that the archive may leave out because they are here. Then each other layer has to be in it with all its bytes, also when it
   * is here: whoever only knows the digest of somebody else's layer shall not get the layer.
   */
  known?: ReadonlySet<string>;
}

export async function loadArchive(
  body: Readable,
  parts: LoadParts,
  { platform = hostPlatform(), known }: LoadOptions = {},
): Promise<LoadedImage[]> {
  return parts.layers.withScratch(async (scratch) => {
    const dir = join(scratch, 'archive');
    await parts.helper.untar(dir, await decompressed(body));
    const archive = new Archive(dir, platform);
    const loaded: LoadedImage[] = [];
    for (const archived of archive.images()) loaded.push(await loadImage(archive, archived, parts, known));
    if (loaded.length === 0) throw new AppError('bad_request', 'the archive holds no image');
    return loaded;
  });
}

async function loadImage(
  archive: Archive,
  archived: ArchivedImage,
  parts: LoadParts,
  known: ReadonlySet<string> | undefined,
): Promise<LoadedImage> {
  const { images, layers } = parts;
  const { diffIds } = parseImageConfig(JSON.parse(archived.configText));
  if (diffIds.length !== archived.layers.length)
    throw new AppError(
      'bad_request',
      `the image names ${diffIds.length} layers, the archive holds ${archived.layers.length}`,
    );
  for (const [index, diffId] of diffIds.entries()) {
    if (known?.has(diffId) && layers.isWhole(diffId)) continue;
    const path = archive.resolve(archived.layers[index] ?? '');
    if (known && layers.isWhole(diffId)) await checkTar(path, diffId);
    await loadLayer(path, diffId, parts);
  }
  const image = images.addConfig(archived.configText);
  const tags = archived.tags.map((tag) => images.tag(image, tag));
  return { image, tags };
}

/** A tar that our own writer would not make the same way is kept: the image could not be saved or pushed any more. */
async function loadLayer(path: string, diffId: string, { layers, blobs }: LoadParts): Promise<void> {
  if (layers.isWhole(diffId)) return;
  const open = () => createReadStream(path, { highWaterMark: 256 * 1024 });
  const tar = await decompressed(open());
  await layers.receiveVerified(tar, diffId);
  if (await layers.checkOwnTar(diffId)) return;
  const compressor = tar instanceof ReadStream ? createZstdCompress() : undefined;
  const compression = compressor ? 'zstd' : tar instanceof Gunzip ? 'gzip' : 'zstd';
  const blob = await blobs.put(compressor ? pipeline(open(), compressor, () => {}) : open());
  layers.addBlob(diffId, { ...blob, compression, isOwn: false });
}

async function checkTar(path: string, diffId: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of await decompressed(createReadStream(path))) hash.update(chunk as Buffer);
  if (`sha256:${hash.digest('hex')}` !== diffId)
    throw new AppError('bad_request', `layer "${diffId}" of the archive has another digest`);
}

class Archive {
  readonly #dir: string;
  readonly #platform: Platform;

  constructor(dir: string, platform: Platform) {
    this.#dir = realpathSync(dir);
    this.#platform = platform;
  }

  images(): ArchivedImage[] {
    if (this.#has('manifest.json')) return this.#dockerImages();
    if (this.#has('index.json')) return this.#ociImages();
    throw new AppError('bad_request', 'the archive has neither "manifest.json" nor "index.json"', {
      hint: 'it must come from docker save, or be an OCI image layout',
    });
  }

  /** The real path of a name in the archive; links may point elsewhere in it, never out of it. */
  resolve(name: string): string {
    let path: string;
    try {
      path = realpathSync(join(this.#dir, name));
    } catch {
      throw new AppError('bad_request', `the archive lacks "${name}"`);
    }
    if (!path.startsWith(`${this.#dir}/`))
      throw new AppError('bad_request', `"${name}" lies outside the archive`);
    // Whoever opens a FIFO waits for a writer, and the whole daemon with him.
    if (!statSync(path).isFile()) throw new AppError('bad_request', `"${name}" of the archive is no file`);
    return path;
  }

  #dockerImages(): ArchivedImage[] {
    const entries: unknown = JSON.parse(this.#text('manifest.json'));
    if (!Array.isArray(entries)) throw new AppError('bad_request', '"manifest.json" is not a list');
    return entries.map((entry) => {
      const fields = new JsonFields(entry, 'manifest.json');
      return {
        configText: this.#text(fields.text('Config') ?? ''),
        layers: fields.texts('Layers') ?? [],
        tags: fields.texts('RepoTags') ?? [],
      };
    });
  }

  /** The entries of index.json are different images; those of an index below it are one image for several platforms. */
  #ociImages(): ArchivedImage[] {
    return this.#descriptors(this.#text('index.json'), 'index.json').flatMap((descriptor) => {
      const annotations = descriptor.map('annotations') ?? {};
      const name = imageNameKeys.map((key) => annotations[key]).find((value) => value?.includes(':'));
      return this.#ociEntry(descriptor, name === undefined ? [] : [name], 0);
    });
  }

  #ociEntry(descriptor: JsonFields, tags: string[], depth: number): ArchivedImage[] {
    if (depth > 3) throw new AppError('bad_request', 'image indexes are nested too deeply');
    const blob = blobPath(descriptor);
    const type = descriptor.text('mediaType') ?? '';
    if (!type.includes('index') && !type.includes('manifest.list')) return this.#ociImage(blob, tags);
    const candidates = this.#descriptors(this.#blobText(blob), blob).map((entry) => ({
      entry,
      platform: platformOf(entry),
    }));
    const chosen = choosePlatform(candidates, this.#platform);
    if (!chosen)
      throw new AppError('not_found', `the archive holds no image for "${platformText(this.#platform)}"`);
    return this.#ociEntry(chosen.entry, tags, depth + 1);
  }

  #descriptors(text: string, name: string): JsonFields[] {
    return new JsonFields(JSON.parse(text), name).objects('manifests');
  }

  #ociImage(path: string, tags: string[]): ArchivedImage[] {
    const manifest = new JsonFields(JSON.parse(this.#blobText(path)), path);
    const config = manifest.object('config');
    // Attestations travel as manifests of their own; they are not images.
    if (!config || !(config.text('mediaType') ?? '').includes('config')) return [];
    if (!(config.text('mediaType') ?? '').includes('image')) return [];
    const layers = manifest.objects('layers').map(blobPath);
    return [{ configText: this.#blobText(blobPath(config)), layers, tags }];
  }

  #blobText(path: string): string {
    const text = this.#text(path);
    const wanted = `sha256:${path.slice(path.lastIndexOf('/') + 1)}`;
    if (digestOf(text) !== wanted) throw new AppError('bad_request', `blob "${wanted}" has another digest`);
    return text;
  }

  #has(name: string): boolean {
    try {
      return statSync(this.resolve(name)).isFile();
    } catch {
      return false;
    }
  }

  #text(name: string): string {
    const path = this.resolve(name);
    if (statSync(path).size > maxJsonBytes) throw new AppError('bad_request', `"${name}" is too large`);
    return readFileSync(path, 'utf8');
  }
}

function platformOf(descriptor: JsonFields): Platform | undefined {
  const platform = descriptor.object('platform');
  return (
    platform && {
      os: platform.text('os') ?? '',
      architecture: platform.text('architecture') ?? '',
      variant: platform.text('variant') ?? '',
    }
  );
}

function blobPath(descriptor: JsonFields): string {
  const digest = checkDigest(descriptor.text('digest') ?? '');
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}
