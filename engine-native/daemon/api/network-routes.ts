// Routes of networks. Bridges only; `host` and `none` are modes, shown in lists because Docker's clients look for them.
import { AppError } from '@berth/kit/errors.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import type { Events } from '../events.ts';
import { matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import { JsonFields } from '../json-fields.ts';
import type { NetworkRecord } from '../networks/network.ts';
import type { Networks } from '../networks/networks.ts';
import { type Call, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface NetworkApiParts {
  networks: Networks;
  registry: ContainerRegistry;
  events: Events;
}

export function networkRoutes(parts: NetworkApiParts): Route[] {
  return [
    { method: 'GET', pattern: '/networks', handle: (call) => list(call, parts) },
    { method: 'POST', pattern: '/networks/create', handle: (call) => create(call, parts) },
    { method: 'POST', pattern: '/networks/prune', handle: () => prune(parts) },
    {
      method: 'GET',
      pattern: '/networks/:id',
      handle: (call) => ({ status: 200, body: describe(find(param(call, 'id'), parts), parts) }),
    },
    { method: 'DELETE', pattern: '/networks/:id', handle: (call) => remove(call, parts) },
  ];
}

const modes = ['host', 'none'];

function find(nameOrId: string, { networks }: NetworkApiParts): NetworkRecord {
  return modes.includes(nameOrId) ? modeRecord(nameOrId) : networks.get(nameOrId);
}

function modeRecord(name: string): NetworkRecord {
  const id = Buffer.from(name.padEnd(32, '-')).toString('hex');
  return {
    id,
    name,
    created: '',
    bridge: '',
    subnet: '',
    gateway: '',
    internal: false,
    labels: {},
    options: {},
  };
}

function list({ query }: Call, parts: NetworkApiParts): Reply {
  const filters = parseFilters(query.get('filters'), [
    'name',
    'id',
    'label',
    'driver',
    'type',
    'dangling',
    'scope',
  ]);
  const all = [...parts.networks.list(), ...modes.map(modeRecord)];
  const chosen = all.filter(
    ({ name, id, labels }) =>
      matchesLabels(filters['label'], labels) &&
      matchesAny(filters['name'], (value) => name.includes(value)) &&
      matchesAny(filters['id'], (value) => id.startsWith(value)) &&
      matchesAny(filters['driver'], (value) => driverOf(name) === value),
  );
  return { status: 200, body: chosen.map((record) => describe(record, parts)) };
}

function driverOf(name: string): string {
  if (name === 'none') return 'null';
  return name === 'host' ? 'host' : 'bridge';
}

function describe(record: NetworkRecord, { registry }: NetworkApiParts): object {
  const members = registry.list().filter(({ endpoint }) => endpoint?.networkId === record.id);
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: driverOf(record.name),
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: record.subnet === '' ? [] : [{ Subnet: record.subnet, Gateway: record.gateway }],
    },
    Internal: record.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      members.map(({ id, record: member, endpoint }) => [
        id,
        {
          Name: member.name,
          EndpointID: id,
          MacAddress: endpoint?.mac ?? '',
          IPv4Address: endpoint ? `${endpoint.address}/${endpoint.prefix}` : '',
          IPv6Address: '',
        },
      ]),
    ),
    Options:
      record.bridge === '' ? {} : { 'com.docker.network.bridge.name': record.bridge, ...record.options },
    Labels: record.labels,
  };
}

async function create({ request }: Call, { networks, events }: NetworkApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(request));
  const driver = fields.text('Driver') || 'bridge';
  if (driver !== 'bridge')
    throw new AppError('unsupported', `network driver "${driver}" is not supported`, { hint: 'use bridge' });
  const [config] = fields.object('IPAM')?.objects('Config') ?? [];
  const subnet = config?.text('Subnet');
  const record = await networks.create({
    name: fields.text('Name') ?? '',
    internal: fields.flag('Internal') ?? false,
    labels: fields.map('Labels') ?? {},
    options: fields.map('Options') ?? {},
    ...(subnet ? { subnet } : {}),
  });
  events.publish('network', 'create', record.id, { name: record.name, type: 'bridge' });
  return { status: 201, body: { Id: record.id, Warning: '' } };
}

async function remove(call: Call, parts: NetworkApiParts): Promise<Reply> {
  const name = param(call, 'id');
  if (modes.includes(name)) throw new AppError('forbidden', `"${name}" is a mode and cannot be removed`);
  const record = parts.networks.get(name);
  const user = parts.registry.list().find(({ endpoint }) => endpoint?.networkId === record.id);
  if (user)
    throw new AppError('conflict', `network "${record.name}" is used by container "${user.record.name}"`, {
      hint: 'stop that container first',
    });
  await parts.networks.remove(record);
  parts.events.publish('network', 'destroy', record.id, { name: record.name, type: 'bridge' });
  return { status: 204 };
}

async function prune(parts: NetworkApiParts): Promise<Reply> {
  const used = new Set(parts.registry.list().map(({ record }) => record.hostConfig.NetworkMode));
  const removed: string[] = [];
  for (const record of parts.networks.list()) {
    if (record.name === 'bridge' || used.has(record.name) || used.has(record.id)) continue;
    await parts.networks.remove(record);
    removed.push(record.name);
  }
  return { status: 200, body: { NetworksDeleted: removed } };
}
