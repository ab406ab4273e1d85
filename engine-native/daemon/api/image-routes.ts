// Docker's routes of images: list, inspect, history, load, tag, remove, prune, commit.
import { once } from 'node:events';
import { AppError } from '@berth/kit/errors.ts';
import type { CommitParts } from '../containers/commit-container.ts';
import { commitContainer } from '../containers/commit-container.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { Events } from '../events.ts';
import { matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import type { Image, ImageStore } from '../images/image-store.ts';
import type { LayerStore } from '../images/layer-store.ts';
import { pruneImages, pruneLayers } from '../images/prune-images.ts';
import { normaliseReference } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';
import type { Helper } from '../runtime/helper.ts';
import { type Call, isSet, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface ImageApiParts extends CommitParts {
  helper: Helper;
  layers: LayerStore;
  images: ImageStore;
  blobs: BlobStore;
  registry: ContainerRegistry;
  events: Events;
}

export function imageRoutes(parts: ImageApiParts): Route[] {
  const { images } = parts;
  const of = (call: Call) => images.get(param(call, 'name'));
  return [
    { method: 'GET', pattern: '/images/json', handle: (call) => list(call, parts) },
    { method: 'POST', pattern: '/images/load', handle: (call) => load(call, parts) },
    { method: 'POST', pattern: '/images/prune', handle: () => prune(parts) },
    { method: 'POST', pattern: '/images/create', handle: pull },
    { method: 'GET', pattern: '/images/*name/json', handle: (call) => inspect(of(call), parts) },
    { method: 'GET', pattern: '/images/*name/history', handle: (call) => history(of(call), parts) },
    { method: 'POST', pattern: '/images/*name/tag', handle: (call) => tag(call, of(call), parts) },
    { method: 'DELETE', pattern: '/images/*name', handle: (call) => remove(call, parts) },
    { method: 'POST', pattern: '/commit', handle: (call) => commit(call, parts) },
  ];
}

function createdSeconds({ config }: Image): number {
  return Math.floor((Date.parse(config.created) || 0) / 1000);
}

function list({ query }: Call, { images, registry }: ImageApiParts): Reply {
  const filters = parseFilters(query.get('filters'), [
    'label',
    'reference',
    'dangling',
    'before',
    'since',
    'until',
  ]);
  const chosen = images.list().filter((image) => {
    const tags = images.tagsOf(image.id);
    return (
      matchesLabels(filters['label'], image.config.defaults.Labels) &&
      matchesAny(filters['reference'], (value) =>
        tags.some((reference) => matchesReference(reference, value)),
      ) &&
      matchesAny(filters['dangling'], (value) => (tags.length === 0) === ['true', '1'].includes(value))
    );
  });
  const body = chosen
    .sort((a, b) => createdSeconds(b) - createdSeconds(a))
    .map((image) => ({
      Id: image.id,
      ParentId: '',
      RepoTags: images.tagsOf(image.id),
      RepoDigests: [],
      Created: createdSeconds(image),
      Size: image.size,
      SharedSize: -1,
      Labels: image.config.defaults.Labels,
      Containers: registry.list().filter(({ record }) => record.imageId === image.id).length,
    }));
  return { status: 200, body };
}

function matchesReference(reference: string, pattern: string): boolean {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*');
  return new RegExp(`^${source}$`).test(reference) || new RegExp(`^${source}:[^:]+$`).test(reference);
}

function inspect(image: Image, { images, layers }: ImageApiParts): Reply {
  const { config, id } = image;
  return {
    status: 200,
    body: {
      Id: id,
      RepoTags: images.tagsOf(id),
      RepoDigests: [],
      Parent: '',
      Comment: '',
      Created: config.created || '0001-01-01T00:00:00Z',
      DockerVersion: '',
      Author: config.author,
      Architecture: config.architecture,
      Os: config.os,
      Size: image.size,
      Config: config.defaults,
      GraphDriver: {
        Name: 'overlay2',
        Data: { LowerDir: config.diffIds.map((diffId) => layers.diffDir(diffId)).join(':') },
      },
      RootFS: { Type: 'layers', Layers: config.diffIds },
      Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    },
  };
}

function history({ config, id }: Image, { images, layers }: ImageApiParts): Reply {
  const sizes = config.diffIds.map((diffId) => layers.meta(diffId).bytes);
  const entries = config.history.length > 0 ? config.history : config.diffIds.map(() => unknownStep);
  let layer = 0;
  const steps = entries.map((entry) => ({
    Id: '<missing>',
    Created: Math.floor((Date.parse(entry.created) || 0) / 1000),
    CreatedBy: entry.createdBy,
    Tags: null as string[] | null,
    Size: entry.emptyLayer ? 0 : (sizes[layer++] ?? 0),
    Comment: entry.comment,
  }));
  const newest = steps.at(-1);
  if (newest) Object.assign(newest, { Id: id, Tags: images.tagsOf(id) });
  return { status: 200, body: steps.reverse() };
}

const unknownStep = { created: '', createdBy: '', comment: '', emptyLayer: false };

async function load({ request, response }: Call, parts: ImageApiParts): Promise<Reply> {
  // Only loading needs the decompressors and the archive reader.
  const { loadArchive } = await import('../images/load-archive.ts');
  const loaded = await loadArchive(request, parts);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  for (const { image, tags } of loaded) {
    const names =
      tags.length > 0 ? tags.map((name) => `Loaded image: ${name}`) : [`Loaded image ID: ${image.id}`];
    for (const line of names) response.write(`${JSON.stringify({ stream: `${line}\n` })}\n`);
    parts.events.publish('image', 'load', image.id, { name: tags[0] ?? image.id });
  }
  response.end();
  await once(response, 'close');
  return undefined;
}

function pull({ query }: Call): Reply {
  const name = query.get('fromImage') || query.get('repo') || query.get('fromSrc') || '';
  throw new AppError(
    'unsupported',
    `image "${name}" is not on this host, and this engine does not pull images yet`,
    {
      hint: 'load it with docker load',
    },
  );
}

function tag({ query }: Call, image: Image, { images, events }: ImageApiParts): Reply {
  const reference = images.tag(
    image,
    normaliseReference(query.get('repo') ?? '', query.get('tag') ?? undefined),
  );
  events.publish('image', 'tag', image.id, { name: reference });
  return { status: 201 };
}

/** By tag: takes the tag, and the image with its last one. By id: needs force when several tags name it. */
async function remove(call: Call, parts: ImageApiParts): Promise<Reply> {
  const { images, registry, events } = parts;
  const name = param(call, 'name');
  const force = isSet(call.query, 'force');
  const image = images.get(name);
  const tags = images.tagsOf(image.id);
  const isByTag = images.hasTag(name);
  const user = registry.list().find(({ record }) => record.imageId === image.id);
  const answer: { Untagged?: string; Deleted?: string }[] = [];
  if (isByTag && (tags.length > 1 || user)) {
    if (user && tags.length === 1 && !force) throw inUse(name, user.record.name);
    const untagged = images.untag(name);
    events.publish('image', 'untag', image.id, { name: untagged });
    return { status: 200, body: [{ Untagged: untagged }] };
  }
  if (user) throw inUse(name, user.record.name);
  if (tags.length > 1 && !force)
    throw new AppError('conflict', `image "${name}" has ${tags.length} tags`, {
      hint: 'remove the tags, or use force',
    });
  images.remove(image);
  for (const reference of tags) answer.push({ Untagged: reference });
  answer.push({ Deleted: image.id });
  events.publish('image', 'delete', image.id, { name });
  await pruneLayers(parts);
  return { status: 200, body: answer };
}

function inUse(image: string, container: string): AppError {
  return new AppError('conflict', `image "${image}" is used by container "${container}"`, {
    hint: 'remove that container first',
  });
}

async function prune(parts: ImageApiParts): Promise<Reply> {
  const { images, bytes } = await pruneImages(parts, []);
  return {
    status: 200,
    body: { ImagesDeleted: images.map((id) => ({ Deleted: id })), SpaceReclaimed: bytes },
  };
}

async function commit({ request, query }: Call, parts: ImageApiParts): Promise<Reply> {
  if (query.get('changes'))
    throw new AppError('unsupported', 'commit with changes is not supported', {
      hint: 'make the image by a build',
    });
  const container = parts.registry.get(query.get('container') ?? '');
  const fields = new JsonFields(await readJsonBody(request));
  const image = await commitContainer(container, parts, {
    comment: query.get('comment') ?? '',
    author: query.get('author') ?? '',
    config: fields.raw(),
  });
  const repo = query.get('repo');
  if (repo) parts.images.tag(image, normaliseReference(repo, query.get('tag') ?? undefined));
  return { status: 201, body: { Id: image.id } };
}
