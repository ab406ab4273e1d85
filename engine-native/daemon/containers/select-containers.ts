// Which containers a list request means: filters, `all`, `limit`, newest first. Pure.
import { matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import type { Container } from './container.ts';

const known = ['label', 'name', 'status', 'id', 'ancestor', 'network', 'exited'];

export function selectContainers(
  containers: Container[],
  options: { all: boolean; filters: string | null; limit: number },
): Container[] {
  const filters = parseFilters(options.filters, known);
  const showAll = options.all || options.limit > 0 || 'status' in filters || 'exited' in filters;
  const chosen = containers
    .filter((container) => showAll || container.isRunning || container.status === 'restarting')
    .filter((container) => matchesFilters(container, filters))
    .sort((a, b) => b.record.created.localeCompare(a.record.created));
  return options.limit > 0 ? chosen.slice(0, options.limit) : chosen;
}

function matchesFilters(
  { record, status, id }: Container,
  filters: ReturnType<typeof parseFilters>,
): boolean {
  const { name, imageRef, imageId, life, hostConfig } = record;
  return (
    matchesLabels(filters['label'], record.config.Labels) &&
    matchesAny(filters['name'], (value) => matchesName(name, value)) &&
    matchesAny(filters['status'], (value) => value === status) &&
    matchesAny(filters['id'], (value) => id.startsWith(value)) &&
    matchesAny(filters['network'], (value) => hostConfig.NetworkMode === value) &&
    matchesAny(filters['exited'], (value) => status === 'exited' && life.exitCode === Number(value)) &&
    matchesAny(filters['ancestor'], (value) => isAncestor(value, imageRef, imageId))
  );
}

/** As Docker does: a regular expression, with or without the leading slash; a part of the name is enough. */
function matchesName(name: string, value: string): boolean {
  try {
    const pattern = new RegExp(value);
    return pattern.test(name) || pattern.test(`/${name}`);
  } catch {
    return name.includes(value);
  }
}

function isAncestor(value: string, imageRef: string, imageId: string): boolean {
  const isId = /^(sha256:)?[0-9a-f]{6,64}$/.test(value) && imageId.includes(value.replace('sha256:', ''));
  return isId || imageRef === value || imageRef === `${value}:latest` || `${imageRef}:latest` === value;
}
