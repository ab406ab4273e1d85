// Reads the body of POST /networks/create. Pure. Drivers and options that this engine does not have are refused with a sentence.
import { isIPv4, isIPv6 } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import { bridgeOption, mtuOption } from './network.ts';

export interface NetworkRequest {
  name: string;
  internal: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
  attachable?: boolean;
  /** Without `subnet6` one of its own is made up. */
  ipv6?: boolean;
  subnet?: string;
  gateway?: string;
  ipRange?: string;
  auxAddresses?: Record<string, string>;
  subnet6?: string;
  gateway6?: string;
}

const builtIn = ['host', 'none', 'default', 'bridge'];
/** Options of Docker's that change what a network does, and that this engine would ignore. */
const refusedOptions = [
  `${bridgeOption}gateway_mode_ipv4`,
  `${bridgeOption}gateway_mode_ipv6`,
  `${bridgeOption}inhibit_ipv4`,
  `${bridgeOption}trusted_host_interfaces`,
  'com.docker.network.container_iface_prefix',
  'com.docker.network.host_ipv4',
];

export function parseNetworkCreate(fields: JsonFields): NetworkRequest {
  const name = fields.text('Name') ?? '';
  checkDriver(fields);
  if (!/^[a-zA-Z0-9][\w.-]{0,127}$/.test(name))
    throw new AppError('bad_request', `"${name}" is not a network name`, {
      hint: 'use letters, digits, dots, dashes and underscores',
    });
  if (builtIn.includes(name))
    throw new AppError('forbidden', `operation is not permitted on predefined ${name} network`);
  const request: NetworkRequest = {
    name,
    internal: fields.flag('Internal') ?? false,
    labels: fields.map('Labels') ?? {},
    options: checkOptions(fields.map('Options') ?? {}),
    attachable: fields.flag('Attachable') ?? false,
    ipv6: fields.flag('EnableIPv6') ?? false,
  };
  for (const config of fields.object('IPAM')?.objects('Config') ?? []) addSubnet(request, config);
  return request;
}

function checkDriver(fields: JsonFields): void {
  const driver = fields.text('Driver') || 'bridge';
  if (driver === 'host' || driver === 'null')
    throw new AppError('forbidden', `only one instance of "${driver}" network is allowed`, {
      hint: 'use --network host or --network none',
    });
  if (driver !== 'bridge')
    throw new AppError('unsupported', `network driver "${driver}" is not supported by this engine`, {
      hint: 'use bridge',
    });
  const ipam = fields.object('IPAM');
  const ipamDriver = ipam?.text('Driver') || 'default';
  if (ipamDriver !== 'default' || ipam?.isGiven('Options'))
    throw new AppError('unsupported', `IPAM driver "${ipamDriver}" with options is not supported`, {
      hint: 'use the default one',
    });
  if (fields.flag('EnableIPv4') === false)
    throw new AppError('unsupported', 'a network without IPv4 is not supported by this engine');
  for (const name of ['Ingress', 'ConfigOnly'])
    if (fields.flag(name)) throw new AppError('unsupported', `"${name}" networks are not supported`);
  if (fields.object('ConfigFrom')?.text('Network'))
    throw new AppError('unsupported', '"ConfigFrom" is not supported', { hint: 'write the options out' });
  if (fields.text('Scope') === 'swarm' || fields.text('Scope') === 'global')
    throw new AppError('unsupported', `networks of scope "${fields.text('Scope')}" are not supported`);
}

function checkOptions(options: Record<string, string>): Record<string, string> {
  for (const name of refusedOptions)
    if (options[name] !== undefined)
      throw new AppError('unsupported', `network option "${name}" is not supported by this engine`);
  for (const name of ['enable_icc', 'enable_ip_masquerade', 'default_bridge']) {
    const value = options[`${bridgeOption}${name}`];
    if (value !== undefined && !/^(true|false|1|0|t|f)$/i.test(value))
      throw new AppError('bad_request', `option "${bridgeOption}${name}" is "${value}", not true or false`);
  }
  const mtu = Number(options[mtuOption] ?? 1500);
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535)
    throw new AppError('bad_request', `option "${mtuOption}" is "${options[mtuOption]}", not 68 to 65535`);
  const bridge = options[`${bridgeOption}name`];
  if (bridge !== undefined && !/^[a-zA-Z0-9_-]{1,15}$/.test(bridge))
    throw new AppError('bad_request', `"${bridge}" is not a name for a bridge`, {
      hint: 'use at most 15 letters, digits, dashes and underscores',
    });
  const binding = options[`${bridgeOption}host_binding_ipv4`];
  if (binding !== undefined && !isIPv4(binding))
    throw new AppError('bad_request', `"${binding}" is not an IPv4 address`);
  return options;
}

function addSubnet(request: NetworkRequest, config: JsonFields): void {
  const subnet = config.text('Subnet') ?? '';
  const gateway = config.text('Gateway') || undefined;
  const ipRange = config.text('IPRange') || undefined;
  const aux = config.map('AuxiliaryAddresses') ?? config.map('AuxAddress') ?? {};
  if (subnet === '') {
    if (gateway || ipRange)
      throw new AppError('bad_request', 'a gateway or an ip range needs a subnet', { hint: 'add --subnet' });
    return;
  }
  const isSix = isIPv6(subnet.split('/')[0] ?? '');
  const known = isSix ? request.subnet6 : request.subnet;
  if (known !== undefined)
    throw new AppError('unsupported', `a network has one subnet of a family; "${known}" is given already`);
  if (isSix) {
    if (ipRange || Object.keys(aux).length > 0)
      throw new AppError('unsupported', 'ip ranges and auxiliary addresses are for IPv4 only');
    request.ipv6 = true;
    Object.assign(request, { subnet6: subnet, ...(gateway ? { gateway6: gateway } : {}) });
    return;
  }
  Object.assign(request, {
    subnet,
    ...(gateway ? { gateway } : {}),
    ...(ipRange ? { ipRange } : {}),
    ...(Object.keys(aux).length > 0 ? { auxAddresses: aux } : {}),
  });
}
