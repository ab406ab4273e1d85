// Blobs on their way in: one request, POST and PUT, or chunks; mounts from another repository; status and cancelling.
// Registered by registry-server.ts. An upload belongs to the repository that it was begun in: its address is signed.
import type { IncomingMessage } from 'node:http';
import { systemCode } from '@berth/kit/errors.ts';
import type { Upload } from '../content/blob-store.ts';
import { isDigest, isDigestAlgorithm } from '../content/digest.ts';
import { checkDigest } from './blob-routes.ts';
import { chunkRange } from './byte-range.ts';
import {
  answer,
  bodyOf,
  type RegistryCall,
  type RegistryParts,
  type RegistryRoute,
} from './registry-call.ts';
import { RegistryError } from './registry-error.ts';
import { checkName } from './repository-name.ts';

const purpose = 'registry-upload';

export function uploadRoutes(parts: RegistryParts): RegistryRoute[] {
  const collection = /^\/v2\/(.+)\/blobs\/uploads\/?$/;
  const one = /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/;
  const route = (method: string, handle: (call: RegistryCall, parts: RegistryParts) => Promise<void>) => ({
    methods: [method],
    pattern: method === 'POST' ? collection : one,
    action: 'push' as const,
    handle: (call: RegistryCall) => handle(call, parts),
  });
  return [
    route('POST', begin),
    route('GET', status),
    route('PATCH', appendChunk),
    route('PUT', finish),
    route('DELETE', cancel),
  ];
}

async function begin(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const { query, name, response } = call;
  const mount = query.get('mount');
  if (mount !== null && (await mountBlob(call, parts, checkDigest(mount)))) return;
  const digest = query.get('digest');
  if (digest !== null && mount === null) return takeWhole(call, parts, checkDigest(digest));
  const algorithm = query.get('digest-algorithm') ?? 'sha256';
  if (!isDigestAlgorithm(algorithm))
    throw new RegistryError(
      'DIGEST_INVALID',
      `"${algorithm.slice(0, 50)}" is not supported, sha256 and sha512 are`,
    );
  const upload = await parts.blobs.startUpload(algorithm);
  answer(response, 202, uploadHeaders(name, upload, parts));
}

/** False: an upload begins instead, as the spec has it. Only who may read the other repository may take from it. */
async function mountBlob(call: RegistryCall, parts: RegistryParts, digest: string): Promise<boolean> {
  const { query, name, response } = call;
  if (!(await parts.blobs.touch(digest))) return false;
  const from = query.get('from');
  if (from !== null) await call.askToPull(checkName(from));
  const sources = from === null ? await parts.repositories.names() : [from];
  for (const source of sources) {
    const isMine = await call.may('pull', source);
    if (!isMine || !(await parts.repositories.hasBlob(source, digest))) continue;
    await parts.repositories.linkBlob(name, digest);
    answer(response, 201, blobHeaders(name, digest));
    return true;
  }
  return false;
}

async function takeWhole(call: RegistryCall, parts: RegistryParts, digest: string): Promise<void> {
  const { request, name, response } = call;
  const size = lengthOf(request);
  await parts.makeRoom(size ?? 0);
  await parts.blobs.put(bodyOf(request), { digest, ...(size === undefined ? {} : { size }) });
  await parts.repositories.linkBlob(name, digest);
  answer(response, 201, blobHeaders(name, digest));
}

async function status(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const upload = await findUpload(call, parts);
  answer(call.response, 204, uploadHeaders(call.name, upload, parts));
}

async function appendChunk(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const upload = await findUpload(call, parts);
  checkChunk(call, upload, parts);
  await takeBody(call, upload, parts);
  answer(call.response, 202, uploadHeaders(call.name, upload, parts));
}

async function finish(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const { query, name, response, request } = call;
  const upload = await findUpload(call, parts);
  const wanted = query.get('digest') ?? '';
  if (!isDigest(wanted))
    throw new RegistryError('DIGEST_INVALID', 'the closing request names no sha256 or sha512 "digest"');
  checkChunk(call, upload, parts);
  if (lengthOf(request) !== 0) await takeBody(call, upload, parts);
  await upload.finish(wanted);
  await parts.repositories.linkBlob(name, wanted);
  answer(response, 201, blobHeaders(name, wanted));
}

/** On a full disk the upload is given up: what it holds is the room that everybody else lacks. */
async function takeBody({ request }: RegistryCall, upload: Upload, parts: RegistryParts): Promise<void> {
  await parts.makeRoom(lengthOf(request) ?? 0);
  try {
    await upload.append(bodyOf(request));
  } catch (error) {
    if (systemCode(error) === 'ENOSPC') await upload.cancel();
    throw error;
  }
}

async function cancel(call: RegistryCall, parts: RegistryParts): Promise<void> {
  const upload = await findUpload(call, parts);
  await upload.cancel();
  answer(call.response, 204, {});
}

/** A chunk begins where the last one ended, and is as long as it says. */
function checkChunk({ request, name }: RegistryCall, upload: Upload, parts: RegistryParts): void {
  const header = request.headers['content-range'];
  if (header === undefined) return;
  const range = chunkRange(header);
  if (!range)
    throw new RegistryError('BLOB_UPLOAD_INVALID', `"${header.slice(0, 100)}" is not a range of bytes`, {
      status: 416,
    });
  const length = lengthOf(request);
  if (range.start !== upload.offset || (length !== undefined && length !== range.end - range.start + 1))
    throw new RegistryError('BLOB_UPLOAD_INVALID', `the next chunk begins at byte ${upload.offset}`, {
      status: 416,
      headers: uploadHeaders(name, upload, parts),
    });
}

async function findUpload({ name, rest }: RegistryCall, parts: RegistryParts): Promise<Upload> {
  const [, id = '', signature = ''] = /^([0-9a-f]{32})([0-9a-f]{64})$/.exec(rest) ?? [];
  const isOurs = parts.key.isSigned(purpose, `${name}\0${id}`, Buffer.from(signature, 'hex'));
  const upload = isOurs ? await parts.blobs.resume(id) : undefined;
  if (!upload) throw new RegistryError('BLOB_UPLOAD_UNKNOWN', 'no such upload in this repository');
  return upload;
}

function uploadHeaders(name: string, upload: Upload, parts: RegistryParts): Record<string, string> {
  const signature = parts.key.sign(purpose, `${name}\0${upload.id}`).toString('hex');
  return {
    Location: `/v2/${name}/blobs/uploads/${upload.id}${signature}`,
    Range: `0-${Math.max(upload.offset - 1, 0)}`,
    'Docker-Upload-UUID': upload.id,
  };
}

function blobHeaders(name: string, digest: string): Record<string, string> {
  return { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest };
}

function lengthOf(request: IncomingMessage): number | undefined {
  const length = request.headers['content-length'];
  if (length !== undefined) return Number(length);
  return request.headers['transfer-encoding'] === undefined ? 0 : undefined;
}
