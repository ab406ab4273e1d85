// From a create request to the record of a network: subnets, gateways, checks. Pure; networks.ts keeps the result.
import { AppError } from '@berth/kit/errors.ts';
import { type Cidr, formatCidr, formatIp, freeBlock, overlaps, parseCidr, parseIp, sizeOf } from './cidr.ts';
import type { NetworkRequest } from './create-request.ts';
import { contains6, formatCidr6, formatIp6, overlaps6, parseCidr6, parseIp6, ulaOf } from './ipv6.ts';
import { bridgeOption, type NetworkRecord } from './network.ts';

export interface PlanSurroundings {
  id: string;
  /** The engine's pool, and how long a prefix to cut from it. */
  pool: Cidr;
  prefix: number;
  existing: NetworkRecord[];
  /** What the host has routes to: a network there would take them over. Of a subnet that is chosen here, only those of own bridges. */
  routes: Cidr[];
  freeBridgeName: () => string;
}

export function planNetwork(request: NetworkRequest, around: PlanSurroundings): NetworkRecord {
  const subnet = chooseSubnet(request, around);
  const gateway = request.gateway ?? formatIp(subnet.base + 1);
  checkInside(subnet, gateway, 'gateway');
  for (const address of Object.values(request.auxAddresses ?? {})) checkInside(subnet, address, 'address');
  if (request.ipRange) {
    const range = parseCidr(request.ipRange);
    if (range.prefix < subnet.prefix || !overlaps(range, subnet))
      throw new AppError(
        'bad_request',
        `ip range "${request.ipRange}" is not inside subnet "${formatCidr(subnet)}"`,
      );
  }
  return {
    id: around.id,
    name: request.name,
    created: new Date().toISOString(),
    bridge: chooseBridge(request, around),
    subnet: formatCidr(subnet),
    gateway,
    ...(request.ipRange ? { ipRange: formatCidr(parseCidr(request.ipRange)) } : {}),
    ...(request.auxAddresses ? { auxAddresses: request.auxAddresses } : {}),
    ...(request.ipv6 ? planIpv6(request, around) : {}),
    internal: request.internal,
    attachable: request.attachable ?? false,
    labels: request.labels,
    options: request.options,
  };
}

function chooseSubnet(request: NetworkRequest, { pool, prefix, existing, routes }: PlanSurroundings): Cidr {
  const taken = existing.map(({ subnet }) => parseCidr(subnet));
  if (!request.subnet) {
    const block = freeBlock(pool, prefix, [...taken, ...routes]);
    if (block) return block;
    throw new AppError('no_space', `no free /${prefix} is left in ${formatCidr(pool)}`, {
      hint: 'remove networks that nobody uses',
    });
  }
  const subnet = parseCidr(request.subnet);
  const text = formatCidr(subnet);
  if (subnet.prefix > 29 || subnet.prefix < 8)
    throw new AppError('bad_request', `subnet "${text}" is too small or too large`, {
      hint: 'use a prefix between /8 and /29',
    });
  if ([...taken, ...routes].some((other) => overlaps(subnet, other)))
    throw new AppError('forbidden', `Pool overlaps with other one on this address space: "${text}"`, {
      hint: 'choose a subnet that no other network and no route of the host touches',
    });
  return subnet;
}

function checkInside(subnet: Cidr, address: string, what: string): void {
  const value = parseIp(address);
  if (value > subnet.base && value < subnet.base + sizeOf(subnet) - 1) return;
  throw new AppError('bad_request', `${what} "${address}" is not inside subnet "${formatCidr(subnet)}"`);
}

function planIpv6(request: NetworkRequest, { id, existing }: PlanSurroundings): Partial<NetworkRecord> {
  const subnet = request.subnet6 ? parseCidr6(request.subnet6) : ulaOf(id);
  const text = formatCidr6(subnet);
  if (subnet.prefix < 16 || subnet.prefix > 112)
    throw new AppError('bad_request', `subnet "${text}" is too small or too large`, {
      hint: 'use a /64',
    });
  const others = existing.flatMap(({ subnet6 }) => (subnet6 ? [parseCidr6(subnet6)] : []));
  if (others.some((other) => overlaps6(subnet, other)))
    throw new AppError('forbidden', `Pool overlaps with other one on this address space: "${text}"`);
  const gateway = request.gateway6 ? parseIp6(request.gateway6) : subnet.base + 1n;
  if (!contains6(subnet, gateway))
    throw new AppError('bad_request', `gateway "${request.gateway6}" is not inside subnet "${text}"`);
  return { subnet6: text, gateway6: formatIp6(gateway) };
}

function chooseBridge({ options }: NetworkRequest, { existing, freeBridgeName }: PlanSurroundings): string {
  const wanted = options[`${bridgeOption}name`];
  if (!wanted) return freeBridgeName();
  if (existing.some(({ bridge }) => bridge === wanted))
    throw new AppError('forbidden', `bridge "${wanted}" belongs to another network`);
  return wanted;
}
