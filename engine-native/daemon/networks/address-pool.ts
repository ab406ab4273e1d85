// Hands out the addresses of one network, in memory; re-derived from the running containers when the daemon starts.
// Next fit: an address comes back as late as possible, so that a stale route table does not reach the wrong container.
import { AppError } from '@berth/kit/errors.ts';
import { type Cidr, formatIp, parseIp, sizeOf } from './cidr.ts';

export class AddressPool {
  readonly #cidr: Cidr;
  readonly #taken = new Set<number>();
  #next: number;

  constructor(cidr: Cidr) {
    this.#cidr = cidr;
    this.#next = cidr.base + 2; // .0 is the network, .1 the gateway
  }

  get gateway(): string {
    return formatIp(this.#cidr.base + 1);
  }

  take(): string {
    const first = this.#cidr.base + 2;
    const last = this.#cidr.base + sizeOf(this.#cidr) - 2;
    for (let tried = first; tried <= last; tried++) {
      if (this.#next > last) this.#next = first;
      const candidate = this.#next++;
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      return formatIp(candidate);
    }
    throw new AppError('no_space', 'the network has no free address left', {
      hint: 'remove containers, or create another network',
    });
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
