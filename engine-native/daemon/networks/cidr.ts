// IPv4 addresses and prefixes as numbers. Pure.
import { isIPv4 } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';

export interface Cidr {
  /** First address, as an unsigned 32-bit number. */
  base: number;
  prefix: number;
}

export function parseIp(text: string): number {
  if (!isIPv4(text)) throw new AppError('bad_request', `"${text}" is not an IPv4 address`);
  return text.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

export function sizeOf({ prefix }: Cidr): number {
  return 2 ** (32 - prefix);
}

export function parseCidr(text: string): Cidr {
  const [address = '', length = ''] = text.split('/');
  const prefix = Number(length);
  if (!/^\d{1,2}$/.test(length) || prefix > 32)
    throw new AppError('bad_request', `invalid CIDR address: ${text}`);
  const size = 2 ** (32 - prefix);
  return { base: Math.floor(parseIp(address) / size) * size, prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.base)}/${cidr.prefix}`;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);
}

/** The first block of the given prefix inside `pool` that touches none of `taken`; undefined when it is full. */
export function freeBlock(pool: Cidr, prefix: number, taken: Cidr[]): Cidr | undefined {
  const step = 2 ** (32 - prefix);
  for (let base = pool.base; base + step <= pool.base + sizeOf(pool); base += step) {
    const block = { base, prefix };
    if (!taken.some((other) => overlaps(block, other))) return block;
  }
  return undefined;
}
