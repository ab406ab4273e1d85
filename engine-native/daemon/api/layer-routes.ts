// Berth's own routes: layers and images made of them, without archives and registries. Used by the builder (PROTOCOL.md names no part of it:
// the shapes are those of apps/clients/engine-types.ts).
import { AppError } from '@berth/kit/errors.ts';
import { readSmallFile } from '../archive/read-small-file.ts';
import { type CommitParts, commitLayer } from '../containers/commit-container.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { LayerMeta } from '../images/layer-store.ts';
import { type PruneParts, pruneImages } from '../images/prune-images.ts';
import { JsonFields } from '../json-fields.ts';
import type { UntarOptions } from '../runtime/helper.ts';
import { type Call, numberOf, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface LayerApiParts extends CommitParts, PruneParts {
  registry: ContainerRegistry;
}

export function layerRoutes(parts: LayerApiParts): Route[] {
  const { layers } = parts;
  const exists = (call: Call): Reply => ({
    status: 200,
    body: describe(layers.meta(param(call, 'diffId'))),
  });
  return [
    { method: 'POST', pattern: '/berth/layers', handle: (call) => receive(call, parts) },
    { method: 'POST', pattern: '/berth/layers/commit', handle: (call) => commit(call, parts) },
    { method: 'GET', pattern: '/berth/layers/:diffId', handle: exists },
    {
      method: 'HEAD',
      pattern: '/berth/layers/:diffId',
      handle: (call) => ({ status: layers.has(param(call, 'diffId')) ? 200 : 404 }),
    },
    { method: 'GET', pattern: '/berth/layers/:diffId/tar', handle: (call) => sendTar(call, parts) },
    { method: 'POST', pattern: '/berth/images', handle: (call) => makeImage(call, parts) },
    { method: 'POST', pattern: '/berth/images/*name/sync', handle: (call) => syncImage(call, parts) },
    { method: 'GET', pattern: '/berth/images/*name/file', handle: (call) => sendFile(call, parts) },
    { method: 'POST', pattern: '/berth/prune', handle: (call) => prune(call, parts) },
  ];
}

function describe({ diffId, size, files, bytes }: LayerMeta): object {
  return { diffId, size, files, bytes };
}

async function receive({ request, query }: Call, { layers }: LayerApiParts): Promise<Reply> {
  const uid = numberOf(query, 'uid');
  const gid = numberOf(query, 'gid');
  const options: UntarOptions = {
    ...(uid === undefined && gid === undefined ? {} : { owner: { uid: uid ?? 0, gid: gid ?? 0 } }),
    ...optional('mtime', numberOf(query, 'mtime')),
    ...optional('maxBytes', numberOf(query, 'maxBytes')),
    ...optional('maxFiles', numberOf(query, 'maxFiles')),
    ...optional('strip', numberOf(query, 'strip')),
  };
  return { status: 201, body: describe(await layers.receive(request, options)) };
}

function optional(name: string, value: number | undefined): Record<string, number> {
  return value === undefined ? {} : { [name]: value };
}

async function commit({ query }: Call, parts: LayerApiParts): Promise<Reply> {
  const container = parts.registry.get(query.get('container') ?? '');
  const layer = await commitLayer(container, parts, {
    ...optional('mtime', numberOf(query, 'mtime')),
    exclude: query.getAll('exclude').filter((path) => path !== ''),
  });
  return { status: 201, body: describe(layer) };
}

async function sendTar(call: Call, { layers }: LayerApiParts): Promise<Reply> {
  const tar = await layers.tar(param(call, 'diffId'));
  const { response } = call;
  response.writeHead(200, { 'Content-Type': 'application/x-tar' });
  response.on('close', () => tar.destroy());
  tar.on('error', () => response.destroy());
  tar.pipe(response);
  return undefined;
}

/** Without a tag it stays until the platform says the next time what it keeps. */
async function makeImage({ request }: Call, { images, kept }: LayerApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(request));
  const image = images.create(fields.object('config')?.raw() ?? {}, fields.texts('layers') ?? []);
  const tags = fields.texts('tags') ?? [];
  for (const tag of tags) images.tag(image, tag);
  if (tags.length === 0) kept.add(image.id);
  return { status: 201, body: { id: image.id } };
}

/** Answers when a power loss would not take the image any more: making one does not wait for the disk. */
async function syncImage(call: Call, { images }: LayerApiParts): Promise<Reply> {
  await images.untilDurable(images.get(param(call, 'name')));
  return { status: 204 };
}

async function sendFile(call: Call, { images, layers, helper }: LayerApiParts): Promise<Reply> {
  const image = images.get(param(call, 'name'));
  const path = call.query.get('path') ?? '';
  if (!path.startsWith('/')) throw new AppError('bad_request', `"${path}" is not an absolute path`);
  const lower = image.config.diffIds.map((diffId) => layers.diffDir(diffId)).toReversed();
  const content = await readSmallFile({ lower }, path, helper).catch((error: unknown) => {
    const isMissing = error instanceof AppError && error.code === 'not_found';
    throw isMissing ? new AppError('not_found', `no file "${path}" in the image`, { cause: error }) : error;
  });
  call.response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': content.length,
  });
  call.response.end(content);
  return undefined;
}

async function prune({ request }: Call, parts: LayerApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(request));
  parts.kept.replace(fields.texts('keepImages') ?? []);
  const { images, layers, bytes } = await pruneImages(parts);
  return { status: 200, body: { images, layers, bytes } };
}
