// Blobs of a repository: download with ranges, existence, removal. Registered by registry-server.ts.
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isDigest } from '../content/digest.ts';
import { requestedRange } from './byte-range.ts';
import { answer, type RegistryCall, type RegistryParts, type RegistryRoute } from './registry-call.ts';
import { RegistryError } from './registry-error.ts';

export function blobRoutes(parts: RegistryParts): RegistryRoute[] {
  const pattern = /^\/v2\/(.+)\/blobs\/([^/]+)$/;
  return [
    { methods: ['GET', 'HEAD'], pattern, action: 'pull', handle: (call) => sendBlob(call, parts) },
    { methods: ['DELETE'], pattern, action: 'delete', handle: (call) => removeBlob(call, parts) },
  ];
}

async function sendBlob(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const { request, response, name } = call;
  const digest = checkDigest(call.rest);
  const isHere = (await parts.repositories.hasBlob(name, digest)) || parts.upstream.names(name, digest);
  const size = isHere ? await parts.blobs.size(digest) : undefined;
  if (size === undefined) throw unknownBlob(digest);
  const headers = {
    'Docker-Content-Digest': digest,
    'Accept-Ranges': 'bytes',
    'Content-Type': 'application/octet-stream',
    'Cache-Control': 'max-age=31536000',
    ETag: `"${digest}"`,
  };
  if (request.headers['if-none-match']?.includes(`"${digest}"`)) {
    response.writeHead(304, headers).end();
    return;
  }
  if (request.method === 'HEAD') {
    // A client that finds it here will not send it: it must still be here when the manifest comes.
    await parts.blobs.touch(digest);
    response.writeHead(200, { ...headers, 'Content-Length': size }).end();
    return;
  }
  const range = requestedRange(request.headers.range, size);
  if (range === 'none')
    throw new RegistryError('SIZE_INVALID', `"${request.headers.range}" lies outside of ${size} bytes`, {
      status: 416,
      headers: { 'Content-Range': `bytes */${size}` },
    });
  const source = parts.blobs.open(digest, range);
  if (range) {
    const { start, end } = range;
    const partial = { 'Content-Range': `bytes ${start}-${end}/${size}`, 'Content-Length': end - start + 1 };
    response.writeHead(206, { ...headers, ...partial });
  } else response.writeHead(200, { ...headers, 'Content-Length': size });
  await pipeUntilGone(source, response);
}

/** A client that leaves is no failure; a source that fails breaks the connection, so that nobody takes the part for the whole. */
async function pipeUntilGone(source: NodeJS.ReadableStream, response: ServerResponse): Promise<void> {
  let isGone = false;
  response.once('close', () => {
    isGone = !response.writableFinished;
  });
  try {
    await pipeline(source, response);
  } catch (error) {
    if (!isGone || response.errored) throw error;
  }
}

async function removeBlob({ response, name, rest }: RegistryCall, parts: RegistryParts): Promise<void> {
  const digest = checkDigest(rest);
  if (!(await parts.repositories.unlinkBlob(name, digest))) throw unknownBlob(digest);
  answer(response, 202, {});
}

export function checkDigest(text: string): string {
  if (isDigest(text)) return text;
  throw new RegistryError('DIGEST_INVALID', `"${text.slice(0, 150)}" is not a sha256 or sha512 digest`);
}

function unknownBlob(digest: string): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `blob "${digest}" is not in this repository`);
}
