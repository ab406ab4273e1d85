// Which peers' X-Forwarded-* are believed: the proxies named in the configuration. Asked once for each connection.
import { BlockList, isIP } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';

export class TrustedPeers {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** `cidrs`: addresses or networks such as `10.0.0.0/8`. */
  constructor(cidrs: readonly string[]) {
    this.#isEmpty = cidrs.length === 0;
    for (const cidr of cidrs) this.#add(cidr);
  }

  #add(cidr: string): void {
    const [address = '', prefix] = cidr.split('/');
    const version = isIP(address);
    const longest = version === 6 ? 128 : 32;
    const bits = prefix === undefined ? longest : Number(prefix);
    if (version === 0 || !Number.isInteger(bits) || bits < 0 || bits > longest || prefix === '')
      throw new AppError('invalid', `"${cidr}" is not a network`, {
        hint: 'write an address or address/bits, such as 10.0.0.0/8',
      });
    this.#list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4');
  }

  includes(address: string): boolean {
    if (this.#isEmpty) return false;
    return this.#list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
}

/** An IPv4 peer on an IPv6 socket, as its IPv4 address. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
