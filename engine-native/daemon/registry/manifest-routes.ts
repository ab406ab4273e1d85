// Manifests of a repository: download, push with a check of what they name, removal of manifests and tags. Registered by registry-server.ts.
// The bytes that came are the bytes that are given out.

import { Readable } from 'node:stream';
import { digestOfBytes, isDigest, parseDigest } from '../content/digest.ts';
import { maxManifestBytes, type ParsedManifest, parseManifest } from './parse-manifest.ts';
import {
  answer,
  idleLimitMs,
  type RegistryCall,
  type RegistryParts,
  type RegistryRoute,
  readBody,
} from './registry-call.ts';
import { RegistryError } from './registry-error.ts';
import { checkReference, isTag } from './repository-name.ts';
import { recordOf } from './repository-store.ts';

const elsewhereLimitMs = 900_000; // a large image is fetched or compressed for the first time; longer is broken
const maxTags = 20; // of one push; the spec asks for at least ten

export function manifestRoutes(parts: RegistryParts): RegistryRoute[] {
  const pattern = /^\/v2\/(.+)\/manifests\/([^/]+)$/;
  return [
    { methods: ['GET', 'HEAD'], pattern, action: 'pull', handle: (call) => sendManifest(call, parts) },
    { methods: ['PUT'], pattern, action: 'push', handle: (call) => takeManifest(call, parts) },
    { methods: ['DELETE'], pattern, action: 'delete', handle: (call) => removeManifest(call, parts) },
  ];
}

async function sendManifest(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const { request, response } = call;
  const reference = checkReference(call.rest);
  const found = await findManifest(call, reference, parts);
  if (!found) throw unknownManifest(reference);
  const { text } = found;
  response.writeHead(200, {
    'Content-Type': found.mediaType,
    'Content-Length': Buffer.byteLength(text),
    'Docker-Content-Digest': found.digest,
    ETag: `"${found.digest}"`,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

async function findManifest(
  call: RegistryCall,
  reference: string,
  parts: RegistryParts,
): Promise<SentManifest | undefined> {
  const { socket } = call.request;
  socket.setTimeout(elsewhereLimitMs); // no byte flows while another registry is asked or layers are compressed
  try {
    await parts.proxy.refresh(call.name, reference);
    return (await ownManifest(call.name, reference, parts)) ?? (await fromUpstream(call, reference, parts));
  } finally {
    socket.setTimeout(idleLimitMs);
  }
}

interface SentManifest {
  digest: string;
  mediaType: string;
  text: string;
}

async function ownManifest(
  name: string,
  reference: string,
  { repositories, blobs }: RegistryParts,
): Promise<SentManifest | undefined> {
  const digest = isDigest(reference) ? reference : await repositories.tag(name, reference);
  const record = digest === undefined ? undefined : await repositories.manifest(name, digest);
  return record && { ...record, text: await blobs.readText(record.digest, maxManifestBytes) };
}

async function fromUpstream(
  { request, name }: RegistryCall,
  reference: string,
  { upstream }: RegistryParts,
): Promise<SentManifest | undefined> {
  return upstream.manifest(name, reference, request.headers['user-agent'] ?? '');
}

async function takeManifest(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const { request, response, name } = call;
  const reference = checkReference(call.rest);
  const tags = isTag(reference) ? [reference] : tagsOf(call.query);
  const bytes = await readBody(request, maxManifestBytes);
  const algorithm = isTag(reference) ? 'sha256' : parseDigest(reference).algorithm;
  const digest = digestOfBytes(bytes, algorithm);
  if (!isTag(reference) && digest !== reference)
    throw new RegistryError('DIGEST_INVALID', `the manifest has digest "${digest}", not "${reference}"`);
  const parsed = parseManifest(bytes, request.headers['content-type']);
  await checkReferences(name, parsed, parts);
  await parts.blobs.put(Readable.from([bytes]), { digest, size: bytes.length });
  await parts.repositories.putManifest(name, recordOf(digest, bytes.length, parsed), tags);
  answer(response, 201, {
    Location: `/v2/${name}/manifests/${reference}`,
    'Docker-Content-Digest': digest,
    ...(parsed.subject === undefined ? {} : { 'OCI-Subject': parsed.subject }),
    ...(isTag(reference) || tags.length === 0 ? {} : { 'OCI-Tag': tags }),
  });
}

function tagsOf(query: URLSearchParams): string[] {
  const tags = [...new Set(query.getAll('tag'))];
  if (tags.length > maxTags)
    throw new RegistryError('MANIFEST_INVALID', `at most ${maxTags} tags at once`, { status: 414 });
  const wrong = tags.find((tag) => !isTag(tag));
  if (wrong !== undefined)
    throw new RegistryError('MANIFEST_INVALID', `"${wrong.slice(0, 150)}" is not a tag`);
  return tags;
}

/** Every blob must be in this repository and as long as the manifest says; touched, so that it stays until the manifest holds it. */
async function checkReferences(name: string, parsed: ParsedManifest, parts: RegistryParts): Promise<void> {
  for (const { digest, size, mayBeMissing } of parsed.references) {
    const isHere = mayBeMissing
      ? (await parts.repositories.manifest(name, digest)) !== undefined ||
        (await parts.repositories.hasBlob(name, digest))
      : await parts.repositories.hasBlob(name, digest);
    const found = isHere && (await parts.blobs.touch(digest)) ? await parts.blobs.size(digest) : undefined;
    if (found === undefined && mayBeMissing) continue;
    if (found === undefined)
      throw new RegistryError(
        'MANIFEST_BLOB_UNKNOWN',
        `the manifest names "${digest}", which is not in this repository`,
      );
    if (found !== size)
      throw new RegistryError(
        'MANIFEST_INVALID',
        `"${digest}" has ${found} bytes, the manifest says ${size}`,
      );
  }
}

async function removeManifest(call: RegistryCall, { repositories }: RegistryParts): Promise<void> {
  const { name, response } = call;
  const reference = checkReference(call.rest);
  const isGone = isTag(reference)
    ? await repositories.removeTag(name, reference)
    : await repositories.removeManifest(name, reference);
  if (!isGone) throw unknownManifest(reference);
  answer(response, 202, {});
}

function unknownManifest(reference: string): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', `manifest "${reference}" is not in this repository`);
}
