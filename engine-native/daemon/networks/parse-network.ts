// The network part of a create request (and of network connect): modes, endpoints, port bindings. Pure; what we cannot honour is refused.
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import type { EndpointSettings } from './endpoint.ts';
import { plainSettings } from './endpoint.ts';
import { parsePortKey, parsePortRange } from './port-requests.ts';

export interface PortBinding {
  HostIp: string;
  /** One port, `first-last` (any free one of them), or "" for a free one. */
  HostPort: string;
}

export interface NetworkingRequest {
  NetworkMode: string;
  PortBindings: Record<string, PortBinding[]>;
  PublishAllPorts: boolean;
  Links: string[];
  /** By the network's name (or id), as the client wrote it. */
  networks: Record<string, EndpointSettings>;
}

const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

export function parseNetworking(body: JsonFields, host: JsonFields): NetworkingRequest {
  const endpoints = body.object('NetworkingConfig')?.object('EndpointsConfig');
  const asked = new Map<string, EndpointSettings>();
  for (const key of endpoints?.keys() ?? []) asked.set(plainName(key), parseEndpoint(endpoints?.object(key)));
  let mode = plainName(host.text('NetworkMode') ?? '');
  const [first] = asked.keys();
  if (mode === 'bridge' && first !== undefined && !asked.has('bridge')) mode = first;
  const request: NetworkingRequest = {
    NetworkMode: mode,
    PortBindings: parseBindings(host.object('PortBindings')),
    PublishAllPorts: host.flag('PublishAllPorts') ?? false,
    Links: host.texts('Links') ?? [],
    networks: {},
  };
  if (isNetworkMode(mode)) {
    const settings = asked.get(mode) ?? { ...plainSettings };
    const mac = body.text('MacAddress'); // where clients before API 1.44 put it
    if (mac) settings.MacAddress = checkMac(mac);
    request.networks = { [mode]: settings, ...Object.fromEntries(asked) };
  } else checkWithoutNetwork(request, [...asked.keys()], body);
  return request;
}

/** False for `host`, `none` and `container:<name>`: there is nothing of its own to attach. */
export function isNetworkMode(mode: string): boolean {
  return mode !== 'host' && mode !== 'none' && !mode.startsWith('container:');
}

function plainName(mode: string): string {
  return mode === '' || mode === 'default' ? 'bridge' : mode;
}

function checkWithoutNetwork(
  { NetworkMode, ...request }: NetworkingRequest,
  asked: string[],
  body: JsonFields,
) {
  const other = asked.find((name) => name !== NetworkMode);
  if (other !== undefined)
    throw new AppError(
      'bad_request',
      `conflicting options: cannot attach network "${other}" to a container with network mode "${NetworkMode}"`,
    );
  if (!NetworkMode.startsWith('container:')) return;
  const conflict = (what: string) =>
    new AppError('bad_request', `conflicting options: ${what} and the container type network mode`);
  if (request.PublishAllPorts || Object.keys(request.PortBindings).length > 0)
    throw conflict('port publishing');
  if (request.Links.length > 0) throw conflict('links');
  if (body.text('MacAddress')) throw conflict('mac-address');
}

export function parseEndpoint(fields: JsonFields | undefined): EndpointSettings {
  if (!fields) return { ...plainSettings };
  const ipam = fields.object('IPAMConfig');
  if (ipam?.isGiven('LinkLocalIPs'))
    throw new AppError('unsupported', 'link-local addresses are not supported by this engine', {
      hint: 'leave out --link-local-ip',
    });
  const [v4, v6] = [ipam?.text('IPv4Address') ?? '', ipam?.text('IPv6Address') ?? ''];
  if (v4 !== '' && !isIPv4(v4)) throw new AppError('bad_request', `invalid IPv4 address: ${v4}`);
  if (v6 !== '' && !isIPv6(v6)) throw new AppError('bad_request', `invalid IPv6 address: ${v6}`);
  const mac = fields.text('MacAddress') ?? '';
  return {
    IPAMConfig: v4 || v6 ? { ...(v4 ? { IPv4Address: v4 } : {}), ...(v6 ? { IPv6Address: v6 } : {}) } : null,
    Aliases: (fields.texts('Aliases') ?? []).map(checkAlias),
    Links: fields.texts('Links') ?? [],
    MacAddress: mac === '' ? '' : checkMac(mac),
    DriverOpts: checkDriverOptions(fields.map('DriverOpts') ?? {}),
    GwPriority: fields.integer('GwPriority') ?? 0,
  };
}

function checkAlias(alias: string): string {
  if (/^[\w][\w.-]{0,254}$/.test(alias)) return alias;
  throw new AppError('bad_request', `"${alias}" is not a network alias`, {
    hint: 'use letters, digits, dots, dashes and underscores',
  });
}

function checkMac(mac: string): string {
  const isUnicast = macPattern.test(mac) && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
  if (isUnicast) return mac.toLowerCase();
  throw new AppError('bad_request', `invalid mac address: "${mac}"`, { hint: 'write 02:42:ac:11:00:05' });
}

function checkDriverOptions(options: Record<string, string>): Record<string, string> {
  const [first] = Object.keys(options);
  if (first === undefined) return options;
  throw new AppError('unsupported', `endpoint option "${first}" is not supported by this engine`);
}

function parseBindings(bindings: JsonFields | undefined): Record<string, PortBinding[]> {
  const parsed: Record<string, PortBinding[]> = {};
  for (const key of bindings?.keys() ?? []) {
    const { containerPort, proto } = parsePortKey(key);
    const entries = bindings?.objects(key) ?? [];
    const list = (entries.length > 0 ? entries : undefined)?.map((entry) => ({
      HostIp: entry.text('HostIp') ?? '',
      HostPort: entry.text('HostPort') ?? '',
    })) ?? [{ HostIp: '', HostPort: '' }];
    for (const { HostIp, HostPort } of list) {
      if (HostIp !== '' && isIP(HostIp) === 0)
        throw new AppError('bad_request', `invalid IP address: ${HostIp}`);
      parsePortRange(HostPort);
    }
    const name = `${containerPort}/${proto}`;
    parsed[name] = [...(parsed[name] ?? []), ...list];
  }
  return parsed;
}
