// Which images `docker images` and `docker image prune` mean: Docker's filters. Called by the image routes; changes nothing.
import { AppError } from '@berth/kit/errors.ts';
import { type Filters, matchesAny, matchesLabels } from '../filters.ts';
import { parseMoment } from '../logs/log-records.ts';
import type { Image, ImageStore } from './image-store.ts';
import { splitReference } from './references.ts';

export const listFilters = ['label', 'label!', 'reference', 'dangling', 'before', 'since', 'until'];
export const pruneFilters = ['label', 'label!', 'dangling', 'until'];

export function createdMs({ config }: Image): number {
  return Date.parse(config.created) || 0;
}

export function selectImages(filters: Filters, images: ImageStore): (image: Image) => boolean {
  const before = momentsOf(filters['before'], images);
  const since = momentsOf(filters['since'], images);
  const isUntil = untilFilter(filters['until']);
  const isNamed = isNamedLike(filters['reference']);
  return (image) => {
    const tags = images.tagsOf(image.id);
    const atMs = createdMs(image);
    return (
      matchesLabelFilters(filters, image) &&
      (!filters['reference']?.length || [...tags, ...images.digestsOf(image.id)].some(isNamed)) &&
      matchesAny(filters['dangling'], (value) => (tags.length === 0) === isTrue(value, 'dangling')) &&
      before.every((moment) => atMs < moment) &&
      since.every((moment) => atMs > moment) &&
      isUntil(image)
    );
  };
}

export function matchesLabelFilters(filters: Filters, { config }: Image): boolean {
  const { Labels } = config.defaults;
  const forbidden = filters['label!'] ?? [];
  return (
    matchesLabels(filters['label'], Labels) && !forbidden.some((entry) => matchesLabels([entry], Labels))
  );
}

/** `until`: a moment, or an age such as `24h`. */
export function untilFilter(values: readonly string[] | undefined): (image: Image) => boolean {
  const [value, more] = values ?? [];
  if (value === undefined) return () => true;
  if (more !== undefined) throw new AppError('bad_request', 'more than one until filter was given');
  const moment = parseMoment(value);
  if (moment === undefined) throw new AppError('bad_request', `invalid filter "until=${value}"`);
  return (image) => createdMs(image) <= moment;
}

export function isTrue(value: string, name: string): boolean {
  if (['true', '1'].includes(value)) return true;
  if (['false', '0'].includes(value)) return false;
  throw new AppError('bad_request', `invalid filter "${name}=${value}"`);
}

function momentsOf(names: readonly string[] | undefined, images: ImageStore): number[] {
  return (names ?? []).map((name) => createdMs(images.get(name)));
}

/** Whether a `name:tag` or `name@digest` is one that the filter `reference` asks for. */
export function isNamedLike(patterns: readonly string[] | undefined): (name: string) => boolean {
  if (patterns === undefined || patterns.length === 0) return () => true;
  const expressions = patterns.map(expressionOf);
  return (name) => {
    const repository = name.includes('@') ? name.slice(0, name.indexOf('@')) : splitReference(name).name;
    return expressions.some((expression) => expression.test(name) || expression.test(repository));
  };
}

/** As Go's path.Match: `*` stops at a slash; a pattern without a tag matches every tag. */
function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replace(/^(?:index\.)?docker\.io\/(?:library\/)?/, '')
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new AppError('bad_request', `invalid filter "reference=${pattern}"`);
  }
}
