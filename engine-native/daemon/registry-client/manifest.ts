// Manifests and indexes of the OCI image spec and of Docker's schema 2: read, checked, chosen by platform. Pure.
// Must never take one kind for another: a document that can be read both ways is refused (GO-2022-0360).
import { createHash } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import type { Platform } from './platform.ts';

export const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
} as const;

export const manifestTypes: readonly string[] = [
  mediaTypes.ociManifest,
  mediaTypes.ociIndex,
  mediaTypes.dockerManifest,
  mediaTypes.dockerList,
];

export const maxManifestBytes = 4 * 1024 * 1024; // the distribution spec's own limit
export const maxConfigBytes = 8 * 1024 * 1024;

export type Compression = 'gzip' | 'zstd' | 'none';

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface IndexEntry extends Descriptor {
  platform: Platform | undefined;
}

export interface ImageManifest {
  kind: 'manifest';
  mediaType: string;
  config: Descriptor;
  /** Lowest first. */
  layers: (Descriptor & { compression: Compression })[];
}

export interface ImageIndex {
  kind: 'index';
  mediaType: string;
  manifests: IndexEntry[];
}

/** `mediaType`: the Content-Type of the answer, or the descriptor's; "" when there was none. */
export function parseManifest(text: string, mediaType: string): ImageManifest | ImageIndex {
  let fields: JsonFields;
  try {
    fields = new JsonFields(JSON.parse(text), 'manifest');
  } catch (cause) {
    throw new AppError('bad_request', 'the manifest is not a JSON object', { cause });
  }
  const named = fields.text('mediaType') ?? '';
  const given = mediaType.split(';')[0]?.trim() ?? '';
  const isSpecific = manifestTypes.includes(given);
  if (isSpecific && named !== '' && named !== given)
    throw new AppError('bad_request', `the manifest says it is "${named}" and was sent as "${given}"`);
  if (fields.integer('schemaVersion') !== 2)
    throw new AppError('unsupported', 'manifests of schema version 1 are not supported', {
      hint: 'push the image again with a current tool',
    });
  const type = named || (isSpecific ? given : guessType(fields));
  const isIndex = type === mediaTypes.ociIndex || type === mediaTypes.dockerList;
  const isManifest = type === mediaTypes.ociManifest || type === mediaTypes.dockerManifest;
  if (!isIndex && !isManifest) throw new AppError('unsupported', `manifest type "${type}" is not supported`);
  const foreign = isIndex ? ['config', 'layers'] : ['manifests'];
  if (foreign.some((key) => fields.raw()[key] !== undefined))
    throw new AppError('bad_request', 'the manifest is an index and an image at once');
  return isIndex ? readIndex(fields, type) : readManifest(fields, type);
}

function guessType(fields: JsonFields): string {
  return fields.raw()['manifests'] === undefined ? mediaTypes.ociManifest : mediaTypes.ociIndex;
}

function readIndex(fields: JsonFields, mediaType: string): ImageIndex {
  const manifests = fields.objects('manifests').map((entry) => {
    const platform = entry.object('platform');
    return {
      ...readDescriptor(entry),
      platform: platform && {
        os: platform.text('os') ?? '',
        architecture: platform.text('architecture') ?? '',
        variant: platform.text('variant') ?? '',
      },
    };
  });
  return { kind: 'index', mediaType, manifests };
}

function readManifest(fields: JsonFields, mediaType: string): ImageManifest {
  const config = fields.object('config');
  if (!config) throw new AppError('bad_request', 'the manifest names no config');
  const described = readDescriptor(config);
  if (![mediaTypes.ociConfig, mediaTypes.dockerConfig].some((type) => type === described.mediaType))
    throw new AppError(
      'unsupported',
      `the manifest is no image: its config is of the type "${described.mediaType}"`,
    );
  const layers = fields.objects('layers').map((layer) => {
    const descriptor = readDescriptor(layer);
    return { ...descriptor, compression: compressionOf(descriptor.mediaType) };
  });
  return { kind: 'manifest', mediaType, config: described, layers };
}

function readDescriptor(fields: JsonFields): Descriptor {
  const digest = fields.text('digest') ?? '';
  if (!/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(digest))
    throw new AppError('bad_request', `invalid digest "${digest.slice(0, 100)}" in the manifest`);
  const size = fields.integer('size') ?? -1;
  if (size < 0) throw new AppError('bad_request', `"${digest}" has no size in the manifest`);
  return { mediaType: fields.text('mediaType') ?? '', digest, size };
}

/** Foreign ("nondistributable") layers would be fetched from addresses in the manifest: refused like anything unknown. */
function compressionOf(mediaType: string): Compression {
  const compressions: Record<string, Compression> = {
    [mediaTypes.ociLayer]: 'none',
    [`${mediaTypes.ociLayer}+gzip`]: 'gzip',
    [`${mediaTypes.ociLayer}+zstd`]: 'zstd',
    [mediaTypes.dockerLayer]: 'none',
    [`${mediaTypes.dockerLayer}.gzip`]: 'gzip',
    [`${mediaTypes.dockerLayer}.zstd`]: 'zstd',
  };
  const compression = Object.hasOwn(compressions, mediaType) ? compressions[mediaType] : undefined;
  if (!compression)
    throw new AppError('unsupported', `layer type "${mediaType.slice(0, 150)}" is not supported`);
  return compression;
}

/** In the algorithm of `like`, so that it can be compared with it. */
export function digestLike(bytes: Uint8Array | string, like: string): string {
  const algorithm = like.startsWith('sha512:') ? 'sha512' : 'sha256';
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
