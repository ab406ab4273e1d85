// Gives the engine's own images to registry clients under their own names: `berth/app-x:tag` is pulled from here without a push.
// Asked by the manifest routes after the repositories. Must never give an image another name than the engine gives it.

import { digestOf } from '../images/image-config.ts';
import { emptyConfig, type ImageDocument } from '../images/image-documents.ts';
import { parseManifest } from './parse-manifest.ts';
import { isTag } from './repository-name.ts';
import type { Referrer, Upstream, UpstreamManifest } from './upstream.ts';

const maxManifests = 600; // a pull asks by tag first and by digest a moment later; in between it is kept in memory

export type Compression = 'gzip' | 'zstd';

/** Puts an image's config and layers into the blob store and gives its manifest; undefined when the engine has no such tag. */
export type ExportTagged = (
  reference: string,
  compression: Compression,
) => Promise<{ imageId: string; mediaType: string; digest: string; text: string } | undefined>;

export interface EngineImageParts {
  exportTagged: ExportTagged;
  /** Tags of the engine's images of that name. */
  listTags: (name: string) => string[];
  /** What was said about an image (SBOM, provenance); their bytes lie in the blob store. */
  documentsOf: (imageId: string) => readonly ImageDocument[];
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

interface Given extends UpstreamManifest {
  /** Undefined for a document's own manifest. */
  imageId?: string;
}

export class EngineImages implements Upstream {
  readonly #parts: EngineImageParts;
  /** By `name@digest`, the oldest first. */
  readonly #given = new Map<string, Given>();
  /** Exports under way: hosts that pull one release at once compress it once. */
  readonly #running = new Map<string, Promise<UpstreamManifest | undefined>>();

  constructor(parts: EngineImageParts) {
    this.#parts = parts;
  }

  tags(name: string): string[] {
    return this.#parts.listTags(name);
  }

  async manifest(name: string, reference: string, client: string): Promise<UpstreamManifest | undefined> {
    if (!isTag(reference)) return this.#given.get(`${name}@${reference}`);
    // Older Docker daemons cannot read zstd; our own engines can, and it is made ten times as fast.
    const compression = client.startsWith('berth-engine') ? 'zstd' : 'gzip';
    const key = `${compression} ${name}:${reference}`;
    const running =
      this.#running.get(key) ??
      this.#take(name, reference, compression).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  /** The documents of the image that a manifest given out before stands for: an artifact for each, the same bytes each time. */
  referrers(name: string, subject: string): Referrer[] {
    const image = this.#given.get(`${name}@${subject}`);
    if (image?.imageId === undefined) return [];
    return this.#parts.documentsOf(image.imageId).map((document) => {
      const text = artifactManifest(document, image);
      const digest = digestOf(text);
      const references = [emptyConfig.digest, document.digest];
      this.#give(name, { mediaType: manifestType, digest, text, references });
      const size = Buffer.byteLength(text);
      return { mediaType: manifestType, size, digest, artifactType: document.artifactType };
    });
  }

  names(name: string, digest: string): boolean {
    for (const [key, { references }] of this.#given)
      if (key.startsWith(`${name}@`) && references.includes(digest)) return true;
    return false;
  }

  async #take(name: string, tag: string, compression: Compression): Promise<UpstreamManifest | undefined> {
    const exported = await this.#parts.exportTagged(`${name}:${tag}`, compression);
    if (!exported) return undefined;
    const { imageId, mediaType, digest, text } = exported;
    const references = parseManifest(Buffer.from(text), mediaType).references.map((one) => one.digest);
    return this.#give(name, { imageId, mediaType, digest, text, references });
  }

  #give(name: string, given: Given): Given {
    const key = `${name}@${given.digest}`;
    this.#given.delete(key);
    this.#given.set(key, given);
    if (this.#given.size > maxManifests) this.#given.delete(this.#given.keys().next().value ?? '');
    return given;
  }
}

/** OCI image-spec, "guidelines for artifact usage": the document is the one layer, the config is empty. */
function artifactManifest({ artifactType, digest, size }: ImageDocument, subject: UpstreamManifest): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config: {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: emptyConfig.digest,
      size: emptyConfig.size,
    },
    layers: [{ mediaType: artifactType, digest, size }],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: Buffer.byteLength(subject.text) },
  });
}
