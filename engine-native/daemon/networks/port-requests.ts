// Which ports a container wants published, from its bindings, its exposed ports and -P. Pure; published-ports.ts finds the host's ports.
import { AppError } from '@berth/kit/errors.ts';
import type { PublishedPort } from './endpoint.ts';
import type { PortBinding } from './parse-network.ts';

export interface PortRequest {
  proto: PublishedPort['proto'];
  containerPort: number;
  /** "" = every address of the host. */
  hostIp: string;
  /** Any free one of these; undefined = any free one at all. */
  hostPorts?: { first: number; last: number };
}

/** `80`, `80/udp`. */
export function parsePortKey(key: string): { containerPort: number; proto: PublishedPort['proto'] } {
  const [port = '', proto = 'tcp'] = key.split('/');
  const containerPort = Number(port);
  if (!/^\d{1,5}$/.test(port) || containerPort < 1 || containerPort > 65_535)
    throw new AppError('bad_request', `invalid port specification: "${key}"`, { hint: 'write 80/tcp' });
  if (proto !== 'tcp' && proto !== 'udp' && proto !== 'sctp')
    throw new AppError('bad_request', `invalid port specification: "${key}": unknown protocol "${proto}"`);
  return { containerPort, proto };
}

/** `8080` or `8000-8010`; undefined for "". */
export function parsePortRange(text: string): { first: number; last: number } | undefined {
  if (text === '' || text === '0') return undefined;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first < 1 || last > 65_535 || last < first)
    throw new AppError('bad_request', `invalid port specification: "${text}"`, {
      hint: 'write 8080 or 8000-8010',
    });
  return { first, last };
}

/** Exposed ports as `inspect` and -P see them: ranges written out, with their protocol. */
export function exposedKeys(exposed: Record<string, object>): string[] {
  return Object.keys(exposed).flatMap((key) => {
    const [ports = '', proto = 'tcp'] = key.split('/');
    const range = parsePortRange(ports);
    if (!range) return [];
    return Array.from({ length: range.last - range.first + 1 }, (_, n) => `${range.first + n}/${proto}`);
  });
}

export function portRequests(
  bindings: Record<string, PortBinding[]>,
  publishAll: boolean,
  exposed: Record<string, object>,
): PortRequest[] {
  const bound = Object.entries(bindings).flatMap(([key, list]) =>
    list.map(({ HostIp, HostPort }): PortRequest => {
      const hostPorts = parsePortRange(HostPort);
      return { ...parsePortKey(key), hostIp: HostIp, ...(hostPorts ? { hostPorts } : {}) };
    }),
  );
  if (!publishAll) return bound;
  const free = exposedKeys(exposed).filter((key) => bindings[key] === undefined);
  return [...bound, ...free.map((key): PortRequest => ({ ...parsePortKey(key), hostIp: '' }))];
}
