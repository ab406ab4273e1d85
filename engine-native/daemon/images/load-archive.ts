// Reads what `docker save` and OCI tools write: an archive with image configs and layer tars, verified by digest. Called by POST /images/load.
// Must never follow a link out of the unpacked archive.
import {
  closeSync,
  createReadStream,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import type { Helper } from '../runtime/helper.ts';
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

export async function loadArchive(
  body: Readable,
  parts: { helper: Helper; layers: LayerStore; images: ImageStore },
): Promise<LoadedImage[]> {
  return parts.layers.withScratch(async (scratch) => {
    const dir = join(scratch, 'archive');
    await parts.helper.untar(dir, await decompressed(body));
    const archive = new Archive(dir);
    const loaded: LoadedImage[] = [];
    for (const archived of archive.images()) loaded.push(await loadImage(archive, archived, parts));
    if (loaded.length === 0) throw new AppError('bad_request', 'the archive holds no image');
    return loaded;
  });
}

async function loadImage(
  archive: Archive,
  archived: ArchivedImage,
  { layers, images }: { layers: LayerStore; images: ImageStore },
): Promise<LoadedImage> {
  const { diffIds } = parseImageConfig(JSON.parse(archived.configText));
  if (diffIds.length !== archived.layers.length)
    throw new AppError(
      'bad_request',
      `the image names ${diffIds.length} layers, the archive holds ${archived.layers.length}`,
    );
  for (const [index, diffId] of diffIds.entries()) {
    if (layers.has(diffId)) continue;
    const path = archive.resolve(archived.layers[index] ?? '');
    await layers.receiveVerified(decompressedFile(path), diffId);
  }
  const image = images.addConfig(archived.configText);
  const tags = archived.tags.map((tag) => images.tag(image, tag));
  return { image, tags };
}

class Archive {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = realpathSync(dir);
  }

  images(): ArchivedImage[] {
    if (this.#has('manifest.json')) return this.#dockerImages();
    if (this.#has('index.json')) return this.#ociImages('index.json', 0);
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

  #ociImages(path: string, depth: number): ArchivedImage[] {
    if (depth > 3) throw new AppError('bad_request', 'image indexes are nested too deeply');
    const index = new JsonFields(JSON.parse(this.#text(path)), path);
    return index.objects('manifests').flatMap((descriptor) => {
      const blob = blobPath(descriptor);
      if ((descriptor.text('mediaType') ?? '').includes('index')) return this.#ociImages(blob, depth + 1);
      const annotations = descriptor.map('annotations') ?? {};
      const name = imageNameKeys.map((key) => annotations[key]).find((value) => value?.includes(':'));
      return this.#ociImage(blob, name === undefined ? [] : [name]);
    });
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

function blobPath(descriptor: JsonFields): string {
  const digest = checkDigest(descriptor.text('digest') ?? '');
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

/** Undoes gzip or zstd, known by their first bytes; anything else passes as it is. */
async function decompressed(body: Readable): Promise<Readable> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  body.once('readable', resolve);
  body.once('end', resolve);
  body.once('error', reject);
  await promise;
  const head = body.read() as Buffer | null;
  if (head === null) throw new AppError('bad_request', 'the archive is empty');
  body.unshift(head);
  return throughDecompressor(body, head);
}

function decompressedFile(path: string): Readable {
  const head = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, 4, 0);
  } finally {
    closeSync(fd);
  }
  return throughDecompressor(createReadStream(path, { highWaterMark: 256 * 1024 }), head);
}

function throughDecompressor(source: Readable, head: Buffer): Readable {
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const isZstd = head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528;
  if (!isGzip && !isZstd) return source;
  // The error reaches the reader of the result, who is the one to report it.
  return pipeline(source, isGzip ? createGunzip() : createZstdDecompress(), () => {});
}
