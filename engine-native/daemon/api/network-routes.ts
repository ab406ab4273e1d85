// Routes of networks. Bridges only; `host` and `none` are modes, shown in lists because Docker's clients look for them.
import { AppError } from '@berth/kit/errors.ts';
import { type ConnectParts, connectNetwork, disconnectNetwork } from '../containers/connect-network.ts';
import { networkSettings } from '../containers/container-networks.ts';
import type { ContainerRegistry } from '../containers/container-registry.ts';
import { matchesAny, matchesLabels, parseFilters } from '../filters.ts';
import { JsonFields } from '../json-fields.ts';
import { parseNetworkCreate } from '../networks/create-request.ts';
import type { NetworkRecord } from '../networks/network.ts';
import { defaultNetworkName } from '../networks/networks.ts';
import { parseEndpoint } from '../networks/parse-network.ts';
import { type Call, param, type Reply, type Route, readJsonBody } from './route.ts';

export interface NetworkApiParts extends ConnectParts {
  registry: ContainerRegistry;
}

export function networkRoutes(parts: NetworkApiParts): Route[] {
  return [
    { method: 'GET', pattern: '/networks', handle: (call) => list(call, parts) },
    { method: 'POST', pattern: '/networks/create', handle: (call) => create(call, parts) },
    { method: 'POST', pattern: '/networks/prune', handle: (call) => prune(call, parts) },
    { method: 'GET', pattern: '/networks/:id', handle: (call) => inspect(call, parts) },
    { method: 'DELETE', pattern: '/networks/:id', handle: (call) => remove(call, parts) },
    { method: 'POST', pattern: '/networks/:id/connect', handle: (call) => connect(call, parts) },
    { method: 'POST', pattern: '/networks/:id/disconnect', handle: (call) => disconnect(call, parts) },
  ];
}

const modes = ['host', 'none'];
const dayMs = 24 * 3600 * 1000;

function modeRecord(name: string): NetworkRecord {
  return {
    id: Buffer.from(name.padEnd(32, '-')).toString('hex'),
    name,
    created: '0001-01-01T00:00:00Z',
    bridge: '',
    subnet: '',
    gateway: '',
    internal: false,
    labels: {},
    options: {},
  };
}

function find(nameOrId: string, { networks }: NetworkApiParts): NetworkRecord {
  const mode = modes.map(modeRecord).find(({ name, id }) => name === nameOrId || id === nameOrId);
  return mode ?? networks.get(nameOrId);
}

function list({ query }: Call, parts: NetworkApiParts): Reply {
  const known = ['name', 'id', 'label', 'driver', 'type', 'dangling', 'scope'];
  const filters = parseFilters(query.get('filters'), known);
  checkValues(filters['type'], ['custom', 'builtin'], 'type');
  checkValues(filters['dangling'], ['true', 'false', '1', '0'], 'dangling');
  const all = [...parts.networks.list(), ...modes.map(modeRecord)];
  const chosen = all.filter(
    (record) =>
      matchesLabels(filters['label'], record.labels) &&
      matchesAny(filters['name'], (value) => matchesName(record.name, value)) &&
      matchesAny(filters['id'], (value) => record.id.startsWith(value)) &&
      matchesAny(filters['driver'], (value) => driverOf(record.name) === value) &&
      matchesAny(filters['scope'], (value) => value === 'local') &&
      matchesAny(filters['type'], (value) => (value === 'builtin') === isBuiltIn(record)) &&
      matchesAny(filters['dangling'], (value) => ['true', '1'].includes(value) === isDangling(record, parts)),
  );
  return { status: 200, body: chosen.map((record) => describe(record, {})) };
}

function checkValues(values: string[] | undefined, allowed: string[], name: string): void {
  const wrong = values?.find((value) => !allowed.includes(value));
  if (wrong !== undefined) throw new AppError('bad_request', `invalid filter '${name}=${wrong}'`);
}

function matchesName(name: string, value: string): boolean {
  try {
    return new RegExp(value).test(name);
  } catch {
    return name.includes(value);
  }
}

function isBuiltIn({ name }: NetworkRecord): boolean {
  return name === defaultNetworkName || modes.includes(name);
}

/** Nobody runs on it; containers that would start on it do not count. */
function isDangling(record: NetworkRecord, { networks }: NetworkApiParts): boolean {
  return !isBuiltIn(record) && networks.endpointsOf(record).length === 0;
}

function driverOf(name: string): string {
  if (name === 'none') return 'null';
  return name === 'host' ? 'host' : 'bridge';
}

function inspect(call: Call, parts: NetworkApiParts): Reply {
  const scope = call.query.get('scope') ?? '';
  const name = param(call, 'id');
  if (scope !== '' && scope !== 'local') throw new AppError('not_found', `network ${name} not found`);
  const record = find(name, parts);
  return { status: 200, body: describe(record, members(record, parts)) };
}

function members(record: NetworkRecord, { networks, registry }: NetworkApiParts): Record<string, object> {
  return Object.fromEntries(
    networks.endpointsOf(record).map((endpoint) => [
      endpoint.containerId,
      {
        Name: registry.find(endpoint.containerId)?.record.name ?? '',
        EndpointID: endpoint.id,
        MacAddress: endpoint.mac,
        IPv4Address: `${endpoint.address}/${endpoint.prefix}`,
        IPv6Address: endpoint.address6 ? `${endpoint.address6}/${endpoint.prefix6}` : '',
      },
    ]),
  );
}

function describe(record: NetworkRecord, containers: Record<string, object>): object {
  const { subnet, subnet6, gateway, gateway6, ipRange, auxAddresses } = record;
  const config4 = {
    Subnet: subnet,
    ...(ipRange ? { IPRange: ipRange } : {}),
    Gateway: gateway,
    ...(auxAddresses ? { AuxiliaryAddresses: auxAddresses } : {}),
  };
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: driverOf(record.name),
    EnableIPv4: subnet !== '',
    EnableIPv6: subnet6 !== undefined,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: [
        ...(subnet === '' ? [] : [config4]),
        ...(subnet6 ? [{ Subnet: subnet6, Gateway: gateway6 }] : []),
      ],
    },
    Internal: record.internal,
    Attachable: record.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: containers,
    Options:
      record.bridge === '' ? {} : { 'com.docker.network.bridge.name': record.bridge, ...record.options },
    Labels: record.labels,
  };
}

async function create({ request }: Call, { networks, events }: NetworkApiParts): Promise<Reply> {
  const record = networks.create(parseNetworkCreate(new JsonFields(await readJsonBody(request))));
  events.publish('network', 'create', record.id, { name: record.name, type: 'bridge' });
  return { status: 201, body: { Id: record.id, Warning: '' } };
}

async function remove(call: Call, parts: NetworkApiParts): Promise<Reply> {
  const record = find(param(call, 'id'), parts);
  if (['bridge', ...modes].includes(record.name))
    throw new AppError('forbidden', `${record.name} is a pre-defined network and cannot be removed`);
  await removeUnused(record, parts);
  return { status: 204 };
}

async function removeUnused(record: NetworkRecord, parts: NetworkApiParts): Promise<void> {
  const [user] = parts.networks.endpointsOf(record);
  if (user) {
    const name = parts.registry.find(user.containerId)?.record.name ?? user.containerId;
    throw new AppError(
      'forbidden',
      `error while removing network: network ${record.name} id ${record.id} has active endpoints (name:"${name}" id:"${user.id.slice(0, 12)}")`,
      { hint: 'stop or disconnect that container first' },
    );
  }
  await parts.networks.remove(record);
  parts.events.publish('network', 'destroy', record.id, { name: record.name, type: 'bridge' });
}

/** Takes networks that no container, running or not, wants. */
async function prune({ query }: Call, parts: NetworkApiParts): Promise<Reply> {
  const filters = parseFilters(query.get('filters'), ['label', 'label!', 'until']);
  const used = new Set(
    parts.registry.list().flatMap(({ record }) => networkSettings(record).map(([name]) => name)),
  );
  const until = filters['until']?.map(parseUntil) ?? [];
  const removed: string[] = [];
  for (const record of parts.networks.list()) {
    if (isBuiltIn(record) || used.has(record.name) || used.has(record.id)) continue;
    if (!matchesLabels(filters['label'], record.labels)) continue;
    if (filters['label!'] && matchesLabels(filters['label!'], record.labels)) continue;
    if (until.some((moment) => Date.parse(record.created) > moment)) continue;
    if (parts.networks.endpointsOf(record).length > 0) continue;
    await removeUnused(record, parts);
    removed.push(record.name);
  }
  return { status: 200, body: { NetworksDeleted: removed } };
}

/** `24h`, `10m`, seconds since 1970, or a date. */
function parseUntil(text: string): number {
  const span = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text);
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: dayMs }[span?.[2] ?? 's'] ?? 1000;
  if (span) return Date.now() - Number(span[1]) * unit;
  const moment = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(moment)) throw new AppError('bad_request', `"until" is "${text}", not a time`);
  return moment;
}

async function connect(call: Call, parts: NetworkApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(call.request));
  const container = parts.registry.get(fields.text('Container') ?? '');
  const network = findBridge(param(call, 'id'), parts);
  await connectNetwork(container, network, parseEndpoint(fields.object('EndpointConfig')), parts);
  return { status: 200 };
}

async function disconnect(call: Call, parts: NetworkApiParts): Promise<Reply> {
  const fields = new JsonFields(await readJsonBody(call.request));
  const network = findBridge(param(call, 'id'), parts);
  await disconnectNetwork(parts.registry.get(fields.text('Container') ?? ''), network, parts);
  return { status: 200 };
}

function findBridge(nameOrId: string, parts: NetworkApiParts): NetworkRecord {
  const network = find(nameOrId, parts);
  if (!modes.includes(network.name)) return network;
  throw new AppError(
    'bad_request',
    network.name === 'host'
      ? 'container cannot be disconnected from host network or connected to host network'
      : 'container cannot be connected to multiple networks with one of the networks in private (none) mode',
  );
}
