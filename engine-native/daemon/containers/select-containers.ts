// Which containers a list or prune request means: filters, `all`, `limit`, newest first. Pure.
import { AppError } from '@berth/kit/errors.ts';
import { type Filters, matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import type { Container } from './container.ts';
import type { HostConfig } from './container-config.ts';
import { mountsOf } from './plan-mounts.ts';

const known = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];
const statuses = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const verdicts = ['none', 'starting', 'healthy', 'unhealthy'];

export interface SelectOptions {
  all: boolean;
  filters: string | null;
  limit: number;
  /** Finds the container a `before` or `since` filter names; throws when there is none. */
  find: (nameOrId: string) => Container;
}

export function selectContainers(containers: Container[], options: SelectOptions): Container[] {
  const filters = parseFilters(options.filters, known);
  checkValues(filters, 'status', statuses);
  checkValues(filters, 'health', verdicts);
  const bounds = boundsOf(filters, options.find);
  const showAll = options.all || options.limit > 0 || 'status' in filters || 'exited' in filters;
  const chosen = containers
    .filter((container) => showAll || container.isRunning || container.status === 'restarting')
    .filter((container) => isWithin(container, bounds) && matchesFilters(container, filters))
    .sort((a, b) => b.record.created.localeCompare(a.record.created));
  return options.limit > 0 ? chosen.slice(0, options.limit) : chosen;
}

function checkValues(filters: Filters, name: string, allowed: string[]): void {
  const wrong = filters[name]?.find((value) => !allowed.includes(value));
  if (wrong !== undefined)
    throw new AppError('bad_request', `invalid filter '${name}=${wrong}'`, {
      hint: `use ${allowed.join(', ')}`,
    });
}

interface Bounds {
  before: string[];
  since: string[];
}

function boundsOf(filters: Filters, find: SelectOptions['find']): Bounds {
  const created = (names: string[] | undefined) => (names ?? []).map((name) => find(name).record.created);
  return { before: created(filters['before']), since: created(filters['since']) };
}

function isWithin({ record }: Container, { before, since }: Bounds): boolean {
  return (
    before.every((moment) => record.created < moment) && since.every((moment) => record.created > moment)
  );
}

function matchesFilters(container: Container, filters: Filters): boolean {
  const { record, status, id, health } = container;
  const { name, imageRef, imageId, life, hostConfig, config } = record;
  return (
    matchesLabels(filters['label'], config.Labels) &&
    matchesAny(filters['name'], (value) => matchesName(name, value)) &&
    matchesAny(filters['status'], (value) => value === status) &&
    matchesAny(filters['id'], (value) => id.startsWith(value)) &&
    matchesAny(filters['network'], (value) => isOnNetwork(container, value)) &&
    matchesAny(filters['exited'], (value) => status === 'exited' && life.exitCode === Number(value)) &&
    matchesAny(filters['ancestor'], (value) => isAncestor(value, imageRef, imageId)) &&
    matchesAny(filters['health'], (value) => value === (health?.Status ?? 'none')) &&
    matchesAny(filters['expose'], (value) => hasPort(config.ExposedPorts, value)) &&
    matchesAny(filters['publish'], (value) => hasPort(publishedPorts(hostConfig), value)) &&
    matchesAny(filters['volume'], (value) => hasMount(container, value)) &&
    matchesAny(filters['is-task'], (value) => ['false', '0'].includes(value)) &&
    matchesAny(filters['isolation'], (value) => ['', 'default'].includes(value))
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

function isOnNetwork({ record, endpoints }: Container, value: string): boolean {
  if (record.hostConfig.NetworkMode === value || record.networks?.[value] !== undefined) return true;
  return value.length >= 12 && endpoints.some(({ networkId }) => networkId.startsWith(value));
}

/** By the port of the host, as Docker does: that of the container is what "expose" asks for. */
function publishedPorts({ PortBindings }: HostConfig): Record<string, unknown> {
  const ports = Object.entries(PortBindings ?? {}).flatMap(([port, bindings]) =>
    bindings.map(({ HostPort }) => `${HostPort}/${port.split('/')[1] ?? 'tcp'}`),
  );
  return Object.fromEntries(ports.map((port) => [port, true]));
}

/** `80`, `80/tcp`, `8000-8080/udp` against ports written as `80/tcp`. */
function hasPort(ports: Record<string, unknown>, value: string): boolean {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (!match) throw new AppError('bad_request', `invalid filter: "${value}" is not a port`);
  const [first, last, protocol] = [Number(match[1]), Number(match[2] ?? match[1]), match[3] ?? 'tcp'];
  return Object.keys(ports).some((port) => {
    const [number = '', of = 'tcp'] = port.split('/');
    return of === protocol && Number(number) >= first && Number(number) <= last;
  });
}

function hasMount(container: Container, value: string): boolean {
  const mounts = mountsOf(container.record);
  return mounts.some(({ volume, source, target }) => [volume, source, target].includes(value));
}
