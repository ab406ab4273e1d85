// Docker's routes of volumes: list, create, inspect, remove, prune.
import { AppError } from '@berth/kit/errors.ts';
import type { Events } from '../events.ts';
import { matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import { JsonFields } from '../json-fields.ts';
import { pruneVolumes } from '../volumes/prune-volumes.ts';
import { describeVolume, type VolumeRecord } from '../volumes/volume.ts';
import type { VolumeStore } from '../volumes/volume-store.ts';
import { type Call, isSet, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface VolumeApiParts {
  volumes: VolumeStore;
  events: Events;
}

export function volumeRoutes({ volumes, events }: VolumeApiParts): Route[] {
  const show = (record: VolumeRecord) => describeVolume(record, volumes.mountpoint(record.name));
  return [
    { method: 'GET', pattern: '/volumes', handle: (call) => list(call, volumes, show) },
    {
      method: 'POST',
      pattern: '/volumes/create',
      handle: async (call) => ({ status: 201, body: show(await create(call, volumes)) }),
    },
    {
      method: 'POST',
      pattern: '/volumes/prune',
      handle: async ({ query }) => ({
        status: 200,
        body: await pruneVolumes(volumes, events, query.get('filters')),
      }),
    },
    {
      method: 'GET',
      pattern: '/volumes/:name',
      handle: (call) => ({ status: 200, body: show(volumes.get(param(call, 'name'))) }),
    },
    { method: 'DELETE', pattern: '/volumes/:name', handle: (call) => remove(call, volumes) },
  ];
}

function list({ query }: Call, volumes: VolumeStore, show: (record: VolumeRecord) => object): Reply {
  const filters = parseFilters(query.get('filters'), ['dangling', 'driver', 'label', 'name']);
  const isDangling = ({ name }: VolumeRecord) => volumes.usersOf(name).length === 0;
  const chosen = volumes
    .list()
    .filter(
      (record) =>
        matchesLabels(filters['label'], record.labels) &&
        matchesAny(filters['name'], (value) => matchesName(record.name, value)) &&
        matchesAny(filters['driver'], (value) => value === 'local') &&
        matchesAny(filters['dangling'], (value) => isDangling(record) === danglingValue(value)),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { status: 200, body: { Volumes: chosen.map(show), Warnings: null } };
}

/** As Docker does: a regular expression; a part of the name is enough. */
function matchesName(name: string, value: string): boolean {
  try {
    return new RegExp(value).test(name);
  } catch {
    return name.includes(value);
  }
}

function danglingValue(value: string): boolean {
  if (['1', 'true', 't'].includes(value.toLowerCase())) return true;
  if (['0', 'false', 'f'].includes(value.toLowerCase())) return false;
  throw new AppError('bad_request', `invalid filter 'dangling=${value}'`);
}

async function create({ request }: Call, volumes: VolumeStore): Promise<VolumeRecord> {
  const fields = new JsonFields(await readJsonBody(request));
  if (fields.isGiven('ClusterVolumeSpec'))
    throw new AppError('unsupported', 'cluster volumes are not supported by this engine');
  return volumes.create({
    name: fields.text('Name') ?? '',
    driver: fields.text('Driver') ?? '',
    options: fields.map('DriverOpts') ?? {},
    labels: fields.map('Labels') ?? {},
  });
}

function remove(call: Call, volumes: VolumeStore): Reply {
  const name = param(call, 'name');
  // With force a volume that is not there is as good as removed; one in use stays refused.
  if (isSet(call.query, 'force') && !volumes.find(name)) return { status: 204 };
  volumes.remove(name);
  return { status: 204 };
}
