// Documents about images (SBOM, provenance): ROOT/referrers/<hex>.json lists them for each image, their bytes lie in the blob store.
// They belong to the image's id, not to one manifest of it: the registry shows them as referrers of whichever manifest it gives out.
// They stay as long as the image and go with it (collect-garbage.ts).
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BlobStore } from '../content/blob-store.ts';
import { readJson, writeJson } from '../files.ts';
import { digestOf } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import { putText } from './put-text.ts';

export interface ImageDocument {
  /** "application/vnd.cyclonedx+json" */
  artifactType: string;
  digest: string;
  size: number;
}

/** The config of an artifact that has none (OCI image-spec, "guidance for an empty descriptor"). */
export const emptyConfig = { text: '{}', digest: digestOf('{}'), size: 2 } as const;

export class ImageDocumentStore {
  readonly #dir: string;
  readonly #blobs: BlobStore;
  readonly #images: ImageStore;

  constructor(parts: { root: string; blobs: BlobStore; images: ImageStore }) {
    this.#dir = join(parts.root, 'referrers');
    this.#blobs = parts.blobs;
    this.#images = parts.images;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
  }

  of(imageId: string): ImageDocument[] {
    return readJson<ImageDocument[]>(this.#file(imageId)) ?? [];
  }

  /** One of each type: a later one takes the place of the earlier. */
  async put(image: Image, artifactType: string, text: string): Promise<ImageDocument> {
    const document = { artifactType, digest: digestOf(text), size: Buffer.byteLength(text) };
    await putText(this.#blobs, emptyConfig.text, emptyConfig.digest);
    await putText(this.#blobs, text, document.digest);
    const others = this.of(image.id).filter((one) => one.artifactType !== artifactType);
    writeJson(this.#file(image.id), [...others, document]);
    return document;
  }

  /** Digests that must be kept. Forgets the documents of images that are gone. */
  roots(): string[] {
    const found = new Set<string>();
    for (const name of readdirSync(this.#dir)) {
      const id = `sha256:${name.replace(/\.json$/, '')}`;
      if (!this.#images.has(id)) rmSync(join(this.#dir, name), { force: true });
      else for (const { digest } of this.of(id)) found.add(digest).add(emptyConfig.digest);
    }
    return [...found];
  }

  #file(imageId: string): string {
    return join(this.#dir, `${imageId.slice('sha256:'.length)}.json`);
  }
}
