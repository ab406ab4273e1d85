// Which name servers a container's resolv.conf names, and which ones berth-dns asks on its behalf. Pure; used by the start of a container
// and by dns.ts. As Docker does: our server first, because only it knows the names of containers.
import type { Resolver } from '../networks/host-network.ts';

export interface DnsWishes {
  Dns: string[];
  DnsSearch: string[];
  DnsOptions: string[];
}

/** `gateways`: of the bridge networks that the container is on; empty where our server cannot be reached (host, none). */
export function containerResolver(wishes: DnsWishes, gateways: string[], host: Resolver): Resolver {
  const search =
    wishes.DnsSearch.length > 0 ? wishes.DnsSearch.filter((domain) => domain !== '.') : host.search;
  const options = wishes.DnsOptions.length > 0 ? wishes.DnsOptions : host.options;
  if (gateways.length === 0 || asksItself(wishes))
    return { servers: wishes.Dns.length > 0 ? wishes.Dns : host.servers, search, options };
  // A name of one word is asked as it stands: "db" is a container before it is a host of the search domain.
  const hasNdots = wishes.DnsOptions.some((option) => option.startsWith('ndots:'));
  const others = hasNdots
    ? options
    : [...options.filter((option) => !option.startsWith('ndots:')), 'ndots:0'];
  return { servers: gateways.slice(0, 3), search, options: others }; // a libc reads three servers
}

/** Servers that berth-dns asks for this container instead of the host's. */
export function ownServers(wishes: DnsWishes): string[] {
  return asksItself(wishes) ? [] : wishes.Dns;
}

/** A loopback server is the container's own: only from inside it can it be asked, so it is named as the user said. */
function asksItself({ Dns }: DnsWishes): boolean {
  return Dns.some((server) => server.startsWith('127.') || server === '::1');
}
