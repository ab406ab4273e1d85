// Images: ROOT/images/<hex>.json holds each config byte for byte (its digest is the image's id), ROOT/tags/ one small file a tag,
// ROOT/origins/<hex>.json the registries' names for an image.
// Must never name an image whose layers are not all there.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { readJson, replaceFile, syncFile, writeJson } from '../files.ts';
import { canonicalJson, digestOf, type ImageConfig, parseImageConfig } from './image-config.ts';
import type { LayerStore } from './layer-store.ts';
import {
  familiarName,
  normaliseReference,
  parseReference,
  type Reference,
  splitReference,
} from './references.ts';

export interface Image {
  id: string;
  config: ImageConfig;
  /** Bytes of all layers' content. */
  size: number;
}

/** Where an image was pulled from or pushed to: what `name@sha256:…` means here. */
export interface ImageOrigin {
  /** As Docker shows it: `app`, `host:5000/team/app`. */
  repository: string;
  /** Of the manifest or index that the repository's tag stood for. */
  digest: string;
  /** Of the manifest that names this image's layers. */
  manifest: string;
  mediaType: string;
  /** Its manifest was made here; it can be made again. */
  isOwn: boolean;
}

export class ImageStore {
  readonly #imagesDir: string;
  readonly #tagsDir: string;
  readonly #originsDir: string;
  readonly #layers: LayerStore;
  readonly #log: Logger;
  readonly #images = new Map<string, Image>();
  readonly #tags = new Map<string, string>();
  readonly #origins = new Map<string, ImageOrigin[]>();

  constructor(parts: { root: string; layers: LayerStore; log: Logger }) {
    this.#imagesDir = join(parts.root, 'images');
    this.#tagsDir = join(parts.root, 'tags');
    this.#originsDir = join(parts.root, 'origins');
    this.#layers = parts.layers;
    this.#log = parts.log;
    for (const dir of [this.#imagesDir, this.#tagsDir, this.#originsDir])
      mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Reads everything; drops images that are damaged or miss a layer, and tags of images that are not there. */
  load(): void {
    for (const name of readdirSync(this.#imagesDir)) {
      const path = join(this.#imagesDir, name);
      const id = `sha256:${name.replace(/\.json$/, '')}`;
      const image = this.#read(path, id);
      if (image) this.#images.set(id, image);
      else {
        this.#log.warn({ image: id }, 'image is damaged or misses a layer, dropped');
        rmSync(path, { force: true });
      }
    }
    for (const name of readdirSync(this.#tagsDir)) {
      const path = join(this.#tagsDir, name);
      const tag = readJson<{ reference: string; id: string }>(path);
      if (tag && this.#images.has(tag.id)) this.#tags.set(tag.reference, tag.id);
      else rmSync(path, { force: true });
    }
    for (const name of readdirSync(this.#originsDir)) {
      const id = `sha256:${name.replace(/\.json$/, '')}`;
      const origins = readJson<ImageOrigin[]>(join(this.#originsDir, name));
      if (origins && this.#images.has(id)) this.#origins.set(id, origins);
      else rmSync(join(this.#originsDir, name), { force: true });
    }
  }

  list(): Image[] {
    return [...this.#images.values()];
  }

  /** By its whole id. */
  has(id: string): boolean {
    return this.#images.has(id);
  }

  tagsOf(id: string): string[] {
    return [...this.#tags].filter(([, tagged]) => tagged === id).map(([reference]) => reference);
  }

  originsOf(id: string): readonly ImageOrigin[] {
    return this.#origins.get(id) ?? [];
  }

  /** `name@sha256:…` */
  digestsOf(id: string): string[] {
    return [...new Set(this.originsOf(id).map(({ repository, digest }) => `${repository}@${digest}`))];
  }

  addOrigin(image: Image, origin: ImageOrigin): void {
    const others = this.originsOf(image.id).filter((one) => !isSameOrigin(one, origin));
    this.#saveOrigins(image.id, [...others, origin]);
  }

  /** Forgets what a repository calls it, by one digest or all of them; answers the names that are gone. */
  removeOrigins(image: Image, repository: string, digest?: string): string[] {
    const isGone = (one: ImageOrigin) =>
      one.repository === repository && (digest === undefined || one.digest === digest);
    const before = this.digestsOf(image.id);
    this.#saveOrigins(
      image.id,
      this.originsOf(image.id).filter((one) => !isGone(one)),
    );
    return before.filter((name) => !this.digestsOf(image.id).includes(name));
  }

  /** By tag, `name@digest`, id, or a unique start of an id. */
  find(reference: string): Image | undefined {
    if (reference.includes('@')) return this.#findByDigest(reference);
    const byId = this.#images.get(reference) ?? this.#images.get(`sha256:${reference}`);
    if (byId) return byId;
    const tagged = this.#tags.get(safeReference(reference) ?? '');
    if (tagged !== undefined) return this.#images.get(tagged);
    const hex = reference.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{4,63}$/.test(hex)) return undefined;
    const starting = this.list().filter(({ id }) => id.startsWith(`sha256:${hex}`));
    return starting.length === 1 ? starting[0] : undefined;
  }

  /** Also one that has lost a layer: to look at it or to remove it. */
  lookUp(reference: string): Image {
    const image = this.find(reference);
    if (!image) throw new AppError('not_found', `No such image: ${withTag(reference)}`);
    return image;
  }

  /** One that containers can be made of. */
  get(reference: string): Image {
    const image = this.lookUp(reference);
    const missing = image.config.diffIds.find((diffId) => !this.#layers.isWhole(diffId));
    // "Not found" on purpose: `docker run` then pulls, and a pull repairs.
    if (missing !== undefined)
      throw new AppError('not_found', `image "${reference}" has lost its layer "${missing}"`, {
        hint: 'pull or load it again',
      });
    return image;
  }

  /** Makes an image out of a config without rootfs and layers that are in the store. The same input gives the same id. */
  create(config: Record<string, unknown>, layers: string[]): Image {
    const text = canonicalJson({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      ...config,
      rootfs: { type: 'layers', diff_ids: layers },
    });
    return this.addConfig(text);
  }

  /** Takes a whole config as it is; its bytes decide the id. */
  addConfig(text: string): Image {
    const id = digestOf(text);
    const known = this.#images.get(id);
    if (known) return known;
    const config = parseImageConfig(JSON.parse(text));
    const missing = config.diffIds.find((diffId) => !this.#layers.isWhole(diffId));
    if (missing !== undefined)
      throw new AppError('not_found', `no such layer "${missing}"`, { hint: 'send the layer first' });
    if (config.diffIds.length === 0) throw new AppError('bad_request', 'an image needs at least one layer');
    const image = { id, config, size: this.#sizeOf(config) };
    // Not synced here: that would wait for the layers' data. After a power loss the digest shows what is whole.
    replaceFile(join(this.#imagesDir, `${id.slice('sha256:'.length)}.json`), text, false);
    this.#images.set(id, image);
    return image;
  }

  /** Resolves when a power loss would take neither the image's config nor one of its layers any more. */
  async untilDurable(image: Image): Promise<void> {
    const path = join(this.#imagesDir, `${image.id.slice('sha256:'.length)}.json`);
    await Promise.all([syncFile(path), this.#layers.untilDurable(image.config.diffIds)]);
  }

  tag(image: Image, reference: string): string {
    const normal = normaliseReference(reference);
    if (this.#tags.get(normal) === image.id) return normal;
    writeJson(this.#tagFile(normal), { reference: normal, id: image.id });
    this.#tags.set(normal, image.id);
    return normal;
  }

  /** All tags of a repository (`app`), and what they stand for. */
  taggedAs(name: string): { tag: string; image: Image }[] {
    const repository = familiarNameOf(name);
    return [...this.#tags].flatMap(([reference, id]) => {
      const { name: tagged, tag } = splitReference(reference);
      const image = tagged === repository ? this.#images.get(id) : undefined;
      return image ? [{ tag, image }] : [];
    });
  }

  /** A tag as it is kept: `app:latest` for `docker.io/library/app`. */
  tagName(reference: string): string {
    return normaliseReference(reference);
  }

  hasTag(reference: string): boolean {
    return this.#tags.has(safeReference(reference) ?? '');
  }

  untag(reference: string): string {
    const normal = normaliseReference(reference);
    this.#tags.delete(normal);
    rmSync(this.#tagFile(normal), { force: true });
    return normal;
  }

  /** Removes an image and its tags; its layers go with the next prune or with `removeLayers`. */
  remove(image: Image): void {
    for (const reference of this.tagsOf(image.id)) this.untag(reference);
    rmSync(join(this.#imagesDir, `${image.id.slice('sha256:'.length)}.json`), { force: true });
    rmSync(this.#originsFile(image.id), { force: true });
    this.#origins.delete(image.id);
    this.#images.delete(image.id);
  }

  /** The config, byte for byte. */
  configText(image: Image): string {
    return readFileSync(join(this.#imagesDir, `${image.id.slice('sha256:'.length)}.json`), 'utf8');
  }

  #findByDigest(reference: string): Image | undefined {
    const parsed = safeParse(reference);
    if (!parsed) return undefined;
    const repository = familiarName(parsed);
    return this.list().find(({ id }) =>
      this.originsOf(id).some((one) => one.repository === repository && one.digest === parsed.digest),
    );
  }

  #saveOrigins(id: string, origins: ImageOrigin[]): void {
    if (origins.length === 0) rmSync(this.#originsFile(id), { force: true });
    else writeJson(this.#originsFile(id), origins);
    if (origins.length === 0) this.#origins.delete(id);
    else this.#origins.set(id, origins);
  }

  #originsFile(id: string): string {
    return join(this.#originsDir, `${id.slice('sha256:'.length)}.json`);
  }

  #read(path: string, id: string): Image | undefined {
    try {
      const text = readFileSync(path, 'utf8');
      if (digestOf(text) !== id) return undefined;
      const config = parseImageConfig(JSON.parse(text));
      if (!config.diffIds.every((diffId) => this.#layers.isWhole(diffId))) return undefined;
      return { id, config, size: this.#sizeOf(config) };
    } catch {
      return undefined;
    }
  }

  #sizeOf(config: ImageConfig): number {
    return config.diffIds.reduce((sum, diffId) => sum + this.#layers.meta(diffId).bytes, 0);
  }

  #tagFile(reference: string): string {
    return join(this.#tagsDir, `${createHash('sha256').update(reference).digest('hex').slice(0, 32)}.json`);
  }
}

/** As Docker says it: `No such image: app:latest`. */
function withTag(reference: string): string {
  return safeReference(reference) ?? reference;
}

function isSameOrigin(one: ImageOrigin, other: ImageOrigin): boolean {
  return (
    one.repository === other.repository && one.digest === other.digest && one.manifest === other.manifest
  );
}

function safeParse(reference: string): Reference | undefined {
  try {
    return parseReference(reference);
  } catch {
    return undefined;
  }
}

function familiarNameOf(name: string): string | undefined {
  const parsed = safeParse(name);
  return parsed && familiarName(parsed);
}

function safeReference(reference: string): string | undefined {
  try {
    return normaliseReference(reference);
  } catch {
    return undefined;
  }
}
