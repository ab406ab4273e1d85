// Which port of the host belongs to which container of this engine. In memory; re-derived from run records when the daemon starts.
// It knows nothing of other programs: the shim binds each port as well, and says so when somebody has it.
import { randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';
import type { PublishedPort } from './endpoint.ts';
import type { PortRequest } from './port-requests.ts';

export interface PortChoice {
  /** Families that the container has an address of. */
  v4: boolean;
  v6: boolean;
  /** Where ports without an address of their own are published. */
  defaultIp: string;
  /** `tcp/8080`: found to be somebody else's. */
  avoid: ReadonlySet<string>;
}

export class PublishedPorts {
  readonly #range: { first: number; last: number };
  readonly #held = new Map<string, { containerId: string; hostIp: string }[]>();
  #next: number;

  constructor(range: { first: number; last: number }) {
    this.#range = range;
    // Engines on one host that all began at the first port would try each other's.
    this.#next = randomInt(range.first, range.last + 1);
  }

  /** All of them or none. */
  take(containerId: string, requests: PortRequest[], choice: PortChoice): PublishedPort[] {
    const taken: PublishedPort[] = [];
    try {
      for (const request of requests) taken.push(...this.#takeOne(containerId, request, choice));
      return taken;
    } catch (error) {
      this.#drop(containerId, taken);
      throw error;
    }
  }

  adopt(containerId: string, ports: PublishedPort[]): void {
    for (const port of ports) this.#hold(containerId, port);
  }

  release(containerId: string): void {
    for (const [key, holders] of this.#held) {
      const others = holders.filter((holder) => holder.containerId !== containerId);
      if (others.length > 0) this.#held.set(key, others);
      else this.#held.delete(key);
    }
  }

  #takeOne(containerId: string, request: PortRequest, choice: PortChoice): PublishedPort[] {
    const { proto, containerPort, hostPorts } = request;
    const ips = addressesOf(request.hostIp || choice.defaultIp, choice);
    const { first, last } = hostPorts ?? this.#range;
    const isFree = (port: number) => ips.every((ip) => this.#isFree(proto, ip, port));
    for (let tried = first; tried <= last; tried++) {
      const hostPort = hostPorts ? tried : this.#nextEphemeral();
      if (!isFree(hostPort) || (first < last && choice.avoid.has(`${proto}/${hostPort}`))) continue;
      const ports = ips.map((hostIp) => ({ proto, hostIp, hostPort, containerPort }));
      for (const port of ports) this.#hold(containerId, port);
      return ports;
    }
    const where = `${withBrackets(request.hostIp || choice.defaultIp || '0.0.0.0')}:${first}`;
    throw new AppError(
      'internal',
      first === last
        ? `Bind for ${where} failed: port is already allocated`
        : `all ports between ${first} and ${last} are allocated`,
    );
  }

  #nextEphemeral(): number {
    if (this.#next > this.#range.last) this.#next = this.#range.first;
    return this.#next++;
  }

  #isFree(proto: string, ip: string, port: number): boolean {
    return (this.#held.get(`${proto}/${port}`) ?? []).every(({ hostIp }) => !collide(hostIp, ip));
  }

  #hold(containerId: string, { proto, hostPort, hostIp }: PublishedPort): void {
    const key = `${proto}/${hostPort}`;
    this.#held.set(key, [...(this.#held.get(key) ?? []), { containerId, hostIp }]);
  }

  #drop(containerId: string, ports: PublishedPort[]): void {
    for (const { proto, hostPort, hostIp } of ports) {
      const key = `${proto}/${hostPort}`;
      const rest = (this.#held.get(key) ?? []).filter(
        (holder) => holder.containerId !== containerId || holder.hostIp !== hostIp,
      );
      if (rest.length > 0) this.#held.set(key, rest);
      else this.#held.delete(key);
    }
  }
}

/** "" is every address of the families that the container has. */
function addressesOf(hostIp: string, { v4, v6 }: PortChoice): string[] {
  if (hostIp === '') return [...(v4 ? ['0.0.0.0'] : []), ...(v6 ? ['::'] : [])];
  const isSix = isIPv6(hostIp);
  if (hostIp === '::1')
    throw new AppError(
      'unsupported',
      'a port cannot be published on "::1": the kernel leads nothing out of it',
      {
        hint: 'use 127.0.0.1',
      },
    );
  if (isSix ? v6 : v4) return [hostIp];
  throw new AppError(
    'bad_request',
    `cannot publish a port on "${hostIp}": the container has no ${isSix ? 'IPv6' : 'IPv4'} address`,
    { hint: isSix ? 'create its network with --ipv6' : 'connect it to a network with IPv4' },
  );
}

function collide(a: string, b: string): boolean {
  if (isIPv6(a) !== isIPv6(b)) return false;
  return a === b || isWildcard(a) || isWildcard(b);
}

export function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::' || ip === '';
}

function withBrackets(ip: string): string {
  return isIPv6(ip) ? `[${ip}]` : ip;
}

/** The kernel's own range for ports that nobody asked for by number: "32768\t60999". */
export function parseEphemeralRange(text: string): { first: number; last: number } {
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
  return first > 0 && last >= first && last <= 65_535 ? { first, last } : { first: 49_153, last: 65_535 };
}
