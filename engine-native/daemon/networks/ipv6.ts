// IPv6 addresses and prefixes as big integers, and the addresses of one IPv6 network. Pure.
import { isIPv6 } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';

export interface Cidr6 {
  base: bigint;
  prefix: number;
}

export function parseIp6(text: string): bigint {
  if (!isIPv6(text) || text.includes('%'))
    throw new AppError('bad_request', `"${text}" is not an IPv6 address`);
  const [head = '', tail] = withoutDots(text).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...Array<string>(zeros).fill('0'), ...right];
  return all.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** ::ffff:1.2.3.4 with its last part in hex. */
function withoutDots(text: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (!dotted) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(1).map(Number);
  const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return text.slice(0, dotted.index) + hex;
}

/** As RFC 5952 writes it: the longest run of zeros becomes `::`. */
export function formatIp6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  );
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.sort((a, b) => b[0].length - a[0].length)[0];
  if (!longest) return groups.join(':');
  const text = groups.join(':');
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}

export function parseCidr6(text: string): Cidr6 {
  const [address = '', length = ''] = text.split('/');
  const prefix = Number(length);
  if (!/^\d{1,3}$/.test(length) || prefix > 128)
    throw new AppError('bad_request', `invalid CIDR address: ${text}`);
  const host = 128n - BigInt(prefix);
  return { base: (parseIp6(address) >> host) << host, prefix };
}

export function formatCidr6({ base, prefix }: Cidr6): string {
  return `${formatIp6(base)}/${prefix}`;
}

export function contains6({ base, prefix }: Cidr6, address: bigint): boolean {
  const host = 128n - BigInt(prefix);
  return address >> host === base >> host;
}

export function overlaps6(a: Cidr6, b: Cidr6): boolean {
  return a.prefix < b.prefix ? contains6(a, b.base) : contains6(b, a.base);
}

/** A /64 that nobody else has: RFC 4193's range, and 56 bits of the network's own random id. */
export function ulaOf(networkId: string): Cidr6 {
  return { base: BigInt(`0xfd${networkId.slice(0, 14)}`) << 64n, prefix: 64 };
}

/** Addresses of one IPv6 network: an endpoint gets the host number that it has on the IPv4 network, where that is free. */
export class Address6Pool {
  readonly #cidr: Cidr6;
  readonly #taken = new Set<bigint>();

  constructor(cidr: Cidr6, gateway: string) {
    this.#cidr = cidr;
    this.#taken.add(parseIp6(gateway));
  }

  take(hostNumber: number): string {
    const room = 1n << (128n - BigInt(this.#cidr.prefix));
    for (let offset = BigInt(hostNumber); offset < room; offset++) {
      const candidate = this.#cidr.base + offset;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      return formatIp6(candidate);
    }
    throw new AppError('no_space', 'the network has no free IPv6 address left');
  }

  takeExactly(address: string): string {
    const value = parseIp6(address);
    if (!contains6(this.#cidr, value))
      throw new AppError('bad_request', `no configured subnet contains IP address ${address}`);
    if (this.#taken.has(value)) throw new AppError('forbidden', `Address already in use: "${address}"`);
    this.#taken.add(value);
    return formatIp6(value);
  }

  adopt(address: string): void {
    this.#taken.add(parseIp6(address));
  }

  release(address: string): void {
    this.#taken.delete(parseIp6(address));
  }
}
