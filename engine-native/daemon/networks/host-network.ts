// What the host's network looks like: routes, MTU of the way out, name servers. Reads /proc, /sys and /etc; changes nothing.
import { existsSync, readFileSync } from 'node:fs';
import type { Cidr } from './cidr.ts';

const defaultMtu = 1500;
/** Where a stub resolver keeps its real servers. */
const resolvFiles = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];
const publicServers = ['1.1.1.1', '8.8.8.8'];

export interface Route extends Cidr {
  iface: string;
}

/** The lines of /proc/net/route; addresses there are little-endian hex. */
export function parseRoutes(text: string): Route[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [iface = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/);
      if (iface === '' || mask === '') return [];
      const ones = swapBytes(Number.parseInt(mask, 16)).toString(2).replaceAll('0', '').length;
      return [{ iface, base: swapBytes(Number.parseInt(destination, 16)), prefix: ones }];
    });
}

function swapBytes(value: number): number {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer.readUInt32BE();
}

export function hostRoutes(): Route[] {
  return parseRoutes(readText('/proc/net/route'));
}

/** MTU of the default route's interface: a bridge with a larger one loses packets on overlays and VPNs. */
export function outboundMtu(routes: Route[] = hostRoutes()): number {
  const iface = routes.find(({ prefix }) => prefix === 0)?.iface;
  if (iface === undefined) return defaultMtu;
  return Number(readText(`/sys/class/net/${iface}/mtu`)) || defaultMtu;
}

export interface Resolver {
  servers: string[];
  search: string[];
  options: string[];
}

/** The host's name servers without loopback ones, which a container cannot reach. */
export function hostResolver(files: string[] = resolvFiles): Resolver {
  const [first, ...others] = files.map((file) => parseResolvConf(readText(file)));
  if (first === undefined) return { servers: publicServers, search: [], options: [] };
  const servers = [first, ...others].find((one) => one.servers.length > 0)?.servers ?? publicServers;
  return { ...first, servers };
}

export function parseResolvConf(text: string): Resolver {
  const resolver: Resolver = { servers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [word = '', ...values] = line.trim().split(/\s+/);
    if (word === 'nameserver' && values[0] && !isLoopback(values[0])) resolver.servers.push(values[0]);
    else if (word === 'search' || word === 'domain') resolver.search = values;
    else if (word === 'options') resolver.options.push(...values);
  }
  return resolver;
}

function isLoopback(server: string): boolean {
  return server.startsWith('127.') || server === '::1' || server.startsWith('::1%');
}

/** The networks of the host's own addresses and routes, except the default one. */
export function routedCidrs(routes: Route[]): Route[] {
  return routes.filter(({ prefix }) => prefix > 0);
}

export function isLinkThere(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
