// Berth's own routes about an image: its documents (SBOM, provenance) and an archive of its files. Used by the builder and the controller
// (apps/clients/image-documents.ts).
//
// POST /berth/images/{name}/referrers?artifactType=TYPE   the body is the document; 201 {artifactType, digest, size}
// GET  /berth/images/{name}/referrers                     {referrers: [{artifactType, digest, size}]}
// GET  /berth/images/{name}/referrers/document?artifactType=TYPE   the document, byte for byte
// GET  /berth/images/{name}/archive?path=/PATH            a file or folder as a tar, below its own name
import { AppError } from '@berth/kit/errors.ts';
import { wholeTar } from '../archive/tar-end.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { ImageDocumentStore } from '../images/image-documents.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { LayerStore } from '../images/layer-store.ts';
import type { Helper } from '../runtime/helper.ts';
import { type Call, param, type Reply, type Route } from './route.ts';

export interface DocumentApiParts {
  images: ImageStore;
  layers: LayerStore;
  blobs: BlobStore;
  documents: ImageDocumentStore;
  helper: Helper;
}

/** The SBOM of fifty thousand packages. */
const maxDocumentBytes = 32 * 1024 * 1024;
const maxDocuments = 16;

export function documentRoutes(parts: DocumentApiParts): Route[] {
  const { images, documents } = parts;
  return [
    { method: 'POST', pattern: '/berth/images/*name/referrers', handle: (call) => add(call, parts) },
    {
      method: 'GET',
      pattern: '/berth/images/*name/referrers',
      handle: (call) => ({
        status: 200,
        body: { referrers: documents.of(images.lookUp(param(call, 'name')).id) },
      }),
    },
    {
      method: 'GET',
      pattern: '/berth/images/*name/referrers/document',
      handle: (call) => send(call, parts),
    },
    { method: 'GET', pattern: '/berth/images/*name/archive', handle: (call) => sendArchive(call, parts) },
  ];
}

async function add(call: Call, { images, documents }: DocumentApiParts): Promise<Reply> {
  const image = images.lookUp(param(call, 'name'));
  const artifactType = typeOf(call);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of call.request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxDocumentBytes)
      throw new AppError('too_large', `the document is longer than ${maxDocumentBytes} bytes`);
    chunks.push(chunk);
  }
  const known = documents.of(image.id).map((one) => one.artifactType);
  if (known.length >= maxDocuments && !known.includes(artifactType))
    throw new AppError('too_large', `the image has ${maxDocuments} documents already`);
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: 201, body: await documents.put(image, artifactType, text) };
}

async function send(call: Call, { images, documents, blobs }: DocumentApiParts): Promise<Reply> {
  const image = images.lookUp(param(call, 'name'));
  const artifactType = typeOf(call);
  const document = documents.of(image.id).find((one) => one.artifactType === artifactType);
  if (!document) throw new AppError('not_found', `the image has no document of type "${artifactType}"`);
  const text = await blobs.readText(document.digest, maxDocumentBytes);
  call.response.writeHead(200, { 'Content-Type': artifactType, 'Content-Length': Buffer.byteLength(text) });
  call.response.end(text);
  return undefined;
}

/** It comes back as a media type. */
function typeOf({ query }: Call): string {
  const artifactType = query.get('artifactType') ?? '';
  if (!/^[\w.+-]{1,127}\/[\w.+-]{1,127}$/.test(artifactType))
    throw new AppError('bad_request', `"${artifactType.slice(0, 150)}" is not a media type`);
  return artifactType;
}

async function sendArchive(call: Call, { images, layers, helper }: DocumentApiParts): Promise<Reply> {
  const image = images.get(param(call, 'name'));
  const path = call.query.get('path') ?? '';
  if (!path.startsWith('/')) throw new AppError('bad_request', `"${path}" is not an absolute path`);
  const lower = image.config.diffIds.map((diffId) => layers.diffDir(diffId)).toReversed();
  const { tar } = await helper.archiveGet({ lower }, path, { follow: true });
  const { response } = call;
  response.writeHead(200, { 'Content-Type': 'application/x-tar' });
  response.on('close', () => tar.destroy());
  // Cut off, the other side sees that it is not whole.
  const whole = wholeTar().on('error', () => response.destroy());
  tar.on('error', () => response.destroy());
  tar.pipe(whole).pipe(response);
  return undefined;
}
