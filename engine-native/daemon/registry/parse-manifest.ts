// Reads a manifest that a client pushes: what kind it is, what it names, whom it refers to. Pure; keeps the bytes as they are.
// Must never let one document be an image to one reader and an index to another (CVE-2021-41190).
import { isDigest } from '../content/digest.ts';
import { RegistryError } from './registry-error.ts';

export const maxManifestBytes = 4 * 1024 * 1024; // the spec asks for at least 4 MiB, and nothing needs more
const maxReferences = 5000; // each is looked up on disk; the largest images have some hundred layers

export const indexType = 'application/vnd.oci.image.index.v1+json';
const imageTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const indexTypes = [indexType, 'application/vnd.docker.distribution.manifest.list.v2+json'];

export interface Reference {
  digest: string;
  size: number;
  /** A manifest of its own, as an index names them. */
  isManifest: boolean;
  /** A child manifest may be missing: an index need not have every platform. A foreign layer lies elsewhere. */
  mayBeMissing: boolean;
}

export interface ParsedManifest {
  mediaType: string;
  references: Reference[];
  subject: string | undefined;
  artifactType: string | undefined;
  annotations: Record<string, string> | undefined;
}

type Fields = Record<string, unknown>;

export function parseManifest(bytes: Buffer, contentType: string | undefined): ParsedManifest {
  const manifest = parseObject(bytes);
  const mediaType = mediaTypeOf(manifest, contentType);
  checkShape(manifest, mediaType);
  const blobs = [
    ...(manifest['config'] === undefined ? [] : [descriptor(manifest['config'], 'config')]),
    ...descriptors(manifest, 'layers'),
    ...descriptors(manifest, 'blobs'),
  ].map(({ digest, size, mediaType: type }) => ({
    digest,
    size,
    isManifest: false,
    mayBeMissing: isForeign(type),
  }));
  const manifests = descriptors(manifest, 'manifests').map(({ digest, size }) => ({
    digest,
    size,
    isManifest: true,
    mayBeMissing: true,
  }));
  const references = [...blobs, ...manifests];
  if (references.length > maxReferences) throw invalid(`names more than ${maxReferences} blobs`);
  return {
    mediaType,
    references,
    subject:
      manifest['subject'] === undefined ? undefined : descriptor(manifest['subject'], 'subject').digest,
    artifactType: artifactTypeOf(manifest),
    annotations: annotationsOf(manifest),
  };
}

function parseObject(bytes: Buffer): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw invalid('is not JSON');
  }
  if (!isFields(value)) throw invalid('is not a JSON object');
  return value;
}

function mediaTypeOf(manifest: Fields, contentType: string | undefined): string {
  const sent = contentType?.split(';')[0]?.trim().toLowerCase();
  const own = manifest['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw invalid('has a media type that is not a string');
  if (own !== undefined && sent && own.toLowerCase() !== sent)
    throw invalid(`has media type "${own.slice(0, 100)}" and was sent as "${sent.slice(0, 100)}"`);
  const mediaType = own ?? sent;
  // It comes back as a header.
  if (!mediaType || !/^[\w.+-]{1,127}\/[\w.+-]{1,127}$/.test(mediaType)) throw invalid('has no media type');
  return mediaType;
}

function checkShape(manifest: Fields, mediaType: string): void {
  if (mediaType.includes('vnd.docker.distribution.manifest.v1'))
    throw invalid('is of docker schema 1, which nobody can verify; push it with a newer client');
  const isImage = imageTypes.includes(mediaType);
  const isIndex = indexTypes.includes(mediaType);
  if (!isImage && !isIndex) return;
  if (manifest['schemaVersion'] !== 2) throw invalid('has no schemaVersion 2');
  const [wanted, alien] = isImage
    ? (['layers', ['manifests']] as const)
    : (['manifests', ['layers', 'config']] as const);
  if (!Array.isArray(manifest[wanted])) throw invalid(`has no list of ${wanted}`);
  if (isImage && manifest['config'] === undefined) throw invalid('has no config');
  for (const field of alien)
    if (manifest[field] !== undefined) throw invalid(`has "${field}", which "${mediaType}" has not`);
}

function descriptors(manifest: Fields, field: string) {
  const list = manifest[field];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw invalid(`has "${field}" that is no list`);
  return list.map((one: unknown, index) => descriptor(one, `${field}[${index}]`));
}

function descriptor(value: unknown, where: string) {
  if (!isFields(value)) throw invalid(`has a "${where}" that is no descriptor`);
  const { digest, size, mediaType = '' } = value;
  if (typeof digest !== 'string' || !isDigest(digest))
    throw invalid(`has no sha256 or sha512 digest in "${where}"`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`has no size in "${where}"`);
  if (typeof mediaType !== 'string') throw invalid(`has no media type in "${where}"`);
  return { digest, size, mediaType };
}

function artifactTypeOf(manifest: Fields): string | undefined {
  const own = manifest['artifactType'];
  if (typeof own === 'string' && own !== '') return own;
  const config = manifest['config'];
  return isFields(config) && typeof config['mediaType'] === 'string' ? config['mediaType'] : undefined;
}

function annotationsOf(manifest: Fields): Record<string, string> | undefined {
  const annotations = manifest['annotations'];
  if (annotations === undefined || annotations === null) return undefined;
  if (!isFields(annotations)) throw invalid('has annotations that are no object');
  for (const value of Object.values(annotations))
    if (typeof value !== 'string') throw invalid('has an annotation that is no string');
  return annotations as Record<string, string>;
}

function isForeign(mediaType: string): boolean {
  return mediaType.includes('nondistributable') || mediaType.includes('.foreign.');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `the manifest ${what}`);
}
