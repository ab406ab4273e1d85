// Hands out the IPv4 addresses of one network, in memory; re-derived from the running containers when the daemon starts.
// Next fit: an address comes back as late as possible, so that a stale route table does not reach the wrong container.
import { AppError } from '@berth/kit/errors.ts';
import { type Cidr, formatIp, parseIp, sizeOf } from './cidr.ts';

export interface PoolOptions {
  /** Part of the network that addresses are given out from; all of it when left out. */
  range?: Cidr;
  gateway?: string;
  /** Never given out: somebody else has them. */
  reserved?: string[];
}

export class AddressPool {
  readonly #cidr: Cidr;
  readonly #first: number;
  readonly #last: number;
  readonly #kept = new Set<number>();
  readonly #taken = new Set<number>();
  #next: number;

  constructor(cidr: Cidr, { range = cidr, gateway, reserved = [] }: PoolOptions = {}) {
    this.#cidr = cidr;
    // The first and the last address of the network itself mean the network and everybody on it.
    this.#first = Math.max(range.base, cidr.base + 1);
    this.#last = Math.min(range.base + sizeOf(range) - 1, cidr.base + sizeOf(cidr) - 2);
    this.#next = this.#first;
    for (const address of [gateway ?? formatIp(cidr.base + 1), ...reserved]) this.#kept.add(parseIp(address));
  }

  take(): string {
    for (let tried = this.#first; tried <= this.#last; tried++) {
      if (this.#next > this.#last) this.#next = this.#first;
      const candidate = this.#next++;
      if (this.#taken.has(candidate) || this.#kept.has(candidate)) continue;
      this.#taken.add(candidate);
      return formatIp(candidate);
    }
    throw new AppError('no_space', 'the network has no free address left', {
      hint: 'remove containers, or create another network',
    });
  }

  /** The address that somebody asked for. */
  takeExactly(address: string): string {
    const value = parseIp(address);
    if (value <= this.#cidr.base || value >= this.#cidr.base + sizeOf(this.#cidr) - 1)
      throw new AppError('bad_request', `no configured subnet contains IP address ${address}`);
    if (this.#taken.has(value) || this.#kept.has(value))
      throw new AppError('forbidden', `Address already in use: "${address}"`);
    this.#taken.add(value);
    return address;
  }

  /** Notes an address that a container already has. */
  adopt(address: string): void {
    this.#taken.add(parseIp(address));
  }

  release(address: string): void {
    this.#taken.delete(parseIp(address));
  }
}

/** Docker's rule: 02:42 and the address; unique on its bridge. */
export function macOf(address: string): string {
  const octets = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return ['02', '42', ...octets].join(':');
}
