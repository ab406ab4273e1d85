// `docker save`: one archive that is a Docker archive and an OCI layout at once, of one image or several. Called by GET /images/get.
// The same images give the same bytes. A layer that turns out damaged ends the archive early, so that nobody takes it for whole.
import { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { mediaTypes } from '../registry-client/manifest.ts';
import { checkedTar } from './compress-layer.ts';
import { digestOf } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import { splitReference } from './references.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-entries.ts';

export interface SavedImage {
  image: Image;
  /** The names it is saved under: `app:v1`. */
  tags: string[];
}

interface SaveParts {
  images: ImageStore;
  layers: LayerStore;
}

interface Entry {
  name: string;
  size: number;
  open: () => Readable | Promise<Readable>;
}

/** Checks that everything is there before the first byte. */
export async function saveArchive(saved: readonly SavedImage[], parts: SaveParts): Promise<Readable> {
  const entries = new Map<string, Entry>();
  const descriptors: object[] = [];
  const dockerManifest: object[] = [];
  for (const { image, tags } of saved) {
    const layers = await layerEntries(image, parts);
    const config = textEntry(parts.images.configText(image));
    const manifest = textEntry(manifestText(image, config.size, layers));
    for (const entry of [...layers, config, manifest]) entries.set(entry.name, entry);
    descriptors.push(...indexEntries(manifest, image, tags));
    dockerManifest.push({
      Config: config.name,
      RepoTags: tags.length === 0 ? null : tags,
      Layers: layers.map(({ name }) => name),
    });
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: descriptors };
  const files = [
    ...[...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    textEntry(JSON.stringify(index), 'index.json'),
    textEntry(JSON.stringify(dockerManifest), 'manifest.json'),
    textEntry('{"imageLayoutVersion":"1.0.0"}', 'oci-layout'),
    textEntry(repositoriesText(saved), 'repositories'),
  ];
  return Readable.from(tarOf(files), { objectMode: false });
}

async function layerEntries({ config }: Image, { layers }: SaveParts): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const diffId of config.diffIds) {
    if (!(await layers.hasTar(diffId)))
      throw new AppError('not_found', `the original of layer "${diffId}" is no longer here`, {
        hint: 'pull or load the image again',
      });
    entries.push({
      name: blobName(diffId),
      size: await layers.tarSize(diffId),
      open: async () => checkedTar(await layers.tar(diffId), diffId),
    });
  }
  return entries;
}

function blobName(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function textEntry(text: string, name = blobName(digestOf(text))): Entry {
  const bytes = Buffer.from(text);
  return { name, size: bytes.length, open: () => Readable.from([bytes]) };
}

function manifestText(image: Image, configSize: number, layers: readonly Entry[]): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: image.id, size: configSize },
    layers: layers.map(({ size }, index) => ({
      mediaType: mediaTypes.ociLayer,
      digest: image.config.diffIds[index],
      size,
    })),
  });
}

function indexEntries(manifest: Entry, { config }: Image, tags: readonly string[]): object[] {
  const descriptor = {
    mediaType: mediaTypes.ociManifest,
    digest: `sha256:${manifest.name.slice('blobs/sha256/'.length)}`,
    size: manifest.size,
    platform: { architecture: config.architecture, os: config.os },
  };
  if (tags.length === 0) return [descriptor];
  return tags.map((tag) => ({
    ...descriptor,
    annotations: {
      'io.containerd.image.name': tag,
      'org.opencontainers.image.ref.name': splitReference(tag).tag,
    },
  }));
}

function repositoriesText(saved: readonly SavedImage[]): string {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, tags } of saved) {
    for (const reference of tags) {
      const { name, tag } = splitReference(reference);
      repositories[name] = { ...repositories[name], [tag]: image.config.diffIds.at(-1)?.slice(7) ?? '' };
    }
  }
  return JSON.stringify(repositories);
}

async function* tarOf(files: readonly Entry[]): AsyncGenerator<Buffer> {
  for (const folder of ['blobs/', 'blobs/sha256/']) yield tarHeader(folder, 0, true);
  for (const { name, size, open } of files) {
    yield tarHeader(name, size);
    let written = 0;
    for await (const chunk of (await open()) as AsyncIterable<Buffer>) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== size) throw new AppError('internal', `"${name}" has ${written} bytes, not ${size}`);
    yield tarPadding(size);
  }
  yield tarEnd;
}
