// Docker's routes of images that are here: list, inspect, history, tag, remove, prune, commit. What comes and goes is in image-transfer-routes.ts.
import type { CommitParts } from '../containers/commit-container.ts';
import { commitContainer } from '../containers/commit-container.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { publishContainer } from '../containers/describe-event.ts';
import type { Events } from '../events.ts';
import { parseFilters } from '../filters.ts';
import { collectGarbage, releasedBy } from '../images/collect-garbage.ts';
import { imageDetail, imageHistory, imageSummary } from '../images/describe-image.ts';
import type { ImageDefaults } from '../images/image-config.ts';
import type { Image } from '../images/image-store.ts';
import { type PruneParts, pruneImages } from '../images/prune-images.ts';
import { normaliseReference } from '../images/references.ts';
import { removeImage } from '../images/remove-image.ts';
import {
  createdMs,
  isNamedLike,
  isTrue,
  listFilters,
  matchesLabelFilters,
  pruneFilters,
  selectImages,
  untilFilter,
} from '../images/select-images.ts';
import { JsonFields } from '../json-fields.ts';
import { type Call, isSet, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface ImageApiParts extends CommitParts, PruneParts {
  registry: ContainerRegistry;
  events: Events;
}

export function imageRoutes(parts: ImageApiParts): Route[] {
  const { images } = parts;
  const of = (call: Call) => images.lookUp(param(call, 'name'));
  return [
    { method: 'GET', pattern: '/images/json', handle: (call) => list(call, parts) },
    { method: 'POST', pattern: '/images/prune', handle: (call) => prune(call, parts) },
    {
      method: 'GET',
      pattern: '/images/*name/json',
      handle: (call) => ({ status: 200, body: imageDetail(of(call), parts) }),
    },
    {
      method: 'GET',
      pattern: '/images/*name/history',
      handle: (call) => ({ status: 200, body: imageHistory(of(call), parts) }),
    },
    { method: 'POST', pattern: '/images/*name/tag', handle: (call) => tag(call, of(call), parts) },
    { method: 'DELETE', pattern: '/images/*name', handle: (call) => remove(call, parts) },
    { method: 'POST', pattern: '/commit', handle: (call) => commit(call, parts) },
  ];
}

function list({ query }: Call, parts: ImageApiParts): Reply {
  const filters = parseFilters(query.get('filters'), listFilters);
  const isChosen = selectImages(filters, parts.images);
  const isShown = isNamedLike(filters['reference']);
  const body = parts.images
    .list()
    .filter(isChosen)
    .sort((a, b) => createdMs(b) - createdMs(a))
    .map((image) => imageSummary(image, parts, isShown));
  return { status: 200, body };
}

function tag({ query }: Call, image: Image, { images, events }: ImageApiParts): Reply {
  const reference = images.tag(
    image,
    normaliseReference(query.get('repo') ?? '', query.get('tag') ?? undefined),
  );
  events.publish('image', 'tag', image.id, { name: reference });
  return { status: 201 };
}

async function remove(call: Call, parts: ImageApiParts): Promise<Reply> {
  const name = param(call, 'name');
  const released = await releasedBy([parts.images.lookUp(name)], parts);
  const lines = removeImage(name, isSet(call.query, 'force'), parts);
  if (lines.some((line) => 'Deleted' in line)) await collectGarbage(parts, released);
  return { status: 200, body: lines };
}

async function prune({ query }: Call, parts: ImageApiParts): Promise<Reply> {
  const filters = parseFilters(query.get('filters'), pruneFilters);
  const isUntil = untilFilter(filters['until']);
  const isDangling = filters['dangling']?.[0];
  const pruned = await pruneImages(parts, {
    isAtOnce: true,
    all: isDangling !== undefined && !isTrue(isDangling, 'dangling'),
    matches: (image) => isUntil(image) && matchesLabelFilters(filters, image),
  });
  for (const id of pruned.images) parts.events.publish('image', 'delete', id, { name: id });
  const lines = [
    ...pruned.names.map((name) => ({ Untagged: name })),
    ...pruned.images.map((id) => ({ Deleted: id })),
  ];
  return { status: 200, body: { ImagesDeleted: lines, SpaceReclaimed: pruned.bytes } };
}

async function commit({ request, query }: Call, parts: ImageApiParts): Promise<Reply> {
  const container = parts.registry.get(query.get('container') ?? '');
  const fields = new JsonFields((await readJsonBody(request)) ?? {});
  const changes = query.getAll('changes').filter((change) => change !== '');
  const { applyChanges } = await import('../images/config-changes.ts');
  const { defaults } = parts.images.lookUp(container.record.imageId).config;
  const config = {
    ...fields.raw(),
    ...(changes.length === 0
      ? {}
      : applyChanges({ ...defaults, ...container.record.config, ...fields.raw() } as ImageDefaults, changes)),
  };
  const repo = query.get('repo');
  const reference = repo ? normaliseReference(repo, query.get('tag') ?? undefined) : undefined;
  const image = await commitContainer(container, parts, {
    comment: query.get('comment') ?? '',
    author: query.get('author') ?? '',
    pause: isSet(query, 'pause', true),
    config,
  });
  if (reference !== undefined) parts.images.tag(image, reference);
  publishContainer(parts.events, container, 'commit', {
    comment: query.get('comment') ?? '',
    imageID: image.id,
    imageRef: reference ?? '',
  });
  return { status: 201, body: { Id: image.id } };
}
