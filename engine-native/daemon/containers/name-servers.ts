// A container's resolv.conf: made at its start, and kept true when it joins or leaves a network while it runs.
// Must never undo what the container's user wrote into it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { containerResolver } from '../dns/container-resolver.ts';
import { type Endpoint, gatewayEndpoint } from '../networks/endpoint.ts';
import { resolvConfText } from '../networks/etc-files.ts';
import { hostResolver, readText } from '../networks/host-network.ts';
import type { Container } from './container.ts';
import type { ContainerFiles } from './container-files.ts';

export function resolvConfOf({ record, endpoints }: Container): string {
  const { hostConfig } = record;
  if (hostConfig.NetworkMode === 'host' && hostConfig.Dns.length === 0) return readText('/etc/resolv.conf');
  return resolvConfText(containerResolver(hostConfig, gatewaysOf(endpoints), hostResolver()));
}

/** The gateway of a network that was left answers no more: each name would wait for it first. */
export function followGateways(container: Container, before: Endpoint[], files: ContainerFiles): void {
  if (container.endpoints.length === 0) return;
  const path = join(files.stateDir(container.id), 'resolv.conf');
  try {
    const text =
      before.length === 0 ? undefined : replaceServers(readFileSync(path, 'utf8'), container, before);
    writeFileSync(path, text ?? resolvConfOf(container)); // in place: the container sees this very file
  } catch {
    // removed by its user: then nobody reads it
  }
}

function replaceServers(text: string, { endpoints }: Container, before: Endpoint[]): string {
  const old = new Set(gatewaysOf(before).map((gateway) => `nameserver ${gateway}`));
  const lines = text.split('\n');
  const first = lines.findIndex((line) => old.has(line));
  if (first < 0) return text; // other servers were asked for, by --dns or by its user
  const now = gatewaysOf(endpoints).map((gateway) => `nameserver ${gateway}`);
  const rest = lines.filter((line) => !old.has(line));
  return rest.toSpliced(first, 0, ...now).join('\n');
}

/** The one that the default route goes through comes first. */
function gatewaysOf(endpoints: Endpoint[]): string[] {
  const first = gatewayEndpoint(endpoints);
  const ordered = first ? [first, ...endpoints.filter((one) => one !== first)] : endpoints;
  return ordered.map(({ gateway }) => gateway).slice(0, 3); // a libc reads three
}
