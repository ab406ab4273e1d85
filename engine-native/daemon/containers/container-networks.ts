// A container's places on its networks, from the start to the end of its life: joins, leaves, names, ports. Called by
// start-container.ts, finish-container.ts, recover-containers.ts and connect-network.ts.
import { AppError } from '@berth/kit/errors.ts';
import {
  type Endpoint,
  type EndpointSettings,
  gatewayEndpoint,
  gatewayEndpoint6,
  plainSettings,
} from '../networks/endpoint.ts';
import type { HostsEntry } from '../networks/etc-files.ts';
import { defaultBindingIp, type NetworkRecord } from '../networks/network.ts';
import { defaultNetworkName, type Networks } from '../networks/networks.ts';
import { isNetworkMode } from '../networks/parse-network.ts';
import { portRequests } from '../networks/port-requests.ts';
import type { HeldPort, NetworkSpec } from '../runtime/container-spec.ts';
import type { Container } from './container.ts';
import type { ContainerRecord } from './container-config.ts';
import type { RunRecord } from './container-files.ts';
import type { ContainerRegistry } from './container-registry.ts';

/** What a container asks of its networks, that of its mode first: it becomes eth0. Records of older daemons know only the mode. */
export function networkSettings({ hostConfig, networks }: ContainerRecord): [string, EndpointSettings][] {
  const mode = hostConfig.NetworkMode;
  if (!isNetworkMode(mode)) return [];
  const all = Object.entries(networks ?? { [mode]: plainSettings });
  return [...all.filter(([name]) => name === mode), ...all.filter(([name]) => name !== mode)];
}

/** Under the networks' own names. One that does not exist fails the start, as with Docker, whose CLI takes "not found" for the image. */
export function checkNetworks(
  asked: Record<string, EndpointSettings>,
  networks: Networks,
): Record<string, EndpointSettings> {
  return Object.fromEntries(
    Object.entries(asked).map(([name, settings]) => {
      const network = networks.find(name);
      if (network) checkSettings(network, settings);
      return [network?.name ?? name, settings];
    }),
  );
}

/** What can be asked of a network at all. */
export function checkSettings(network: NetworkRecord, { IPAMConfig }: EndpointSettings): void {
  if (IPAMConfig && network.name === defaultNetworkName)
    throw new AppError('bad_request', 'user specified IP address is supported on user defined networks only');
  if (IPAMConfig?.IPv6Address && !network.subnet6)
    throw new AppError(
      'bad_request',
      `user specified IP address ${IPAMConfig.IPv6Address}: network "${network.name}" has no IPv6`,
    );
}

/** What the container answers to on a network: its name, its own idea of its name, the start of its id, and aliases. */
export function namesOf({ id, record }: Container, { Aliases }: EndpointSettings = plainSettings): string[] {
  const names = [record.name, ...Aliases, id.slice(0, 12), record.config.Hostname];
  return [...new Set(names)].filter((name) => name !== '');
}

/** Takes a place on each network of the container. On failure `leaveNetworks` gives back what was taken. */
export async function joinNetworks(container: Container, networks: Networks): Promise<NetworkSpec> {
  const { NetworkMode } = container.record.hostConfig;
  if (NetworkMode === 'host') return { mode: 'host' };
  if (!isNetworkMode(NetworkMode)) return { mode: 'none' };
  const all = networkSettings(container.record);
  if (all.length === 0) return { mode: 'none' }; // taken off every network by hand
  for (const [name, settings] of all)
    container.endpoints.push(await joinOne(container, name, settings, networks));
  const hairpin = wantsPorts(container);
  return {
    mode: 'bridge',
    interfaces: container.endpoints.map((one) => networks.interfaceOf(one, container.endpoints, hairpin)),
  };
}

export function joinOne(
  container: Container,
  name: string,
  settings: EndpointSettings,
  networks: Networks,
): Promise<Endpoint> {
  const used = new Set(container.endpoints.map(({ ifname }) => ifname));
  let number = 0;
  while (used.has(`eth${number}`)) number++;
  const names = namesOf(container, settings);
  return networks.join(networks.get(name), {
    containerId: container.id,
    names,
    settings,
    ifname: `eth${number}`,
  });
}

/** Gives addresses and ports back. Must not throw: the end of a container goes on whatever happens. */
export function leaveNetworks(container: Container, networks: Networks): void {
  for (const endpoint of container.endpoints) networks.leave(endpoint);
  if (container.endpoints.length > 0) networks.withdraw(container.id);
  container.endpoints = [];
  container.ports = [];
}

/**
 * Finds ports of the host for everything the container publishes; `avoid` holds those that proved to be taken. A container on
 * internal networks only gets them too: they lead to it as soon as it is on another one.
 */
export function takePorts(container: Container, networks: Networks, avoid: ReadonlySet<string>): void {
  networks.ports.release(container.id);
  container.ports = [];
  const gateway = gatewayEndpoint(container.endpoints) ?? container.endpoints[0];
  if (!gateway || !wantsPorts(container)) return;
  const { hostConfig, config } = container.record;
  const requests = portRequests(
    hostConfig.PortBindings ?? {},
    hostConfig.PublishAllPorts ?? false,
    config.ExposedPorts,
  );
  try {
    container.ports = networks.ports.take(container.id, requests, {
      v4: true,
      v6: gatewayEndpoint6(container.endpoints) !== undefined,
      defaultIp: defaultBindingIp(networks.get(gateway.networkId)),
      avoid,
    });
  } catch (error) {
    throw describePortFailure(container, error);
  }
}

export function wantsPorts({ record: { hostConfig } }: Container): boolean {
  return (hostConfig.PublishAllPorts ?? false) || Object.keys(hostConfig.PortBindings ?? {}).length > 0;
}

/** Docker's sentence around it, which scripts look for. */
export function describePortFailure(container: Container, error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== 'internal') return error;
  const endpoint = gatewayEndpoint(container.endpoints);
  const who = `${container.record.name} (${endpoint?.id ?? container.id})`;
  return new AppError(
    'internal',
    `driver failed programming external connectivity on endpoint ${who}: ${error.message}`,
    { cause: error },
  );
}

export function heldPorts({ ports }: Container): HeldPort[] {
  return ports.map(({ proto, hostIp, hostPort }) => ({ proto, ip: hostIp, port: hostPort }));
}

/** Whom a container links to, and under which names. A link of the default network needs its target to run. */
export function linkEntries(container: Container, registry: ContainerRegistry): HostsEntry[] {
  const { hostConfig, name } = container.record;
  const needed = (hostConfig.Links ?? []).map((link) => ({ link, must: true }));
  const wished = networkSettings(container.record).flatMap(([, { Links }]) =>
    Links.map((link) => ({ link, must: false })),
  );
  return [...needed, ...wished].flatMap(({ link, must }) => {
    const [target = '', alias = target] = link.replace(/^\//, '').split(':');
    const other = registry.find(target);
    if (must && !other)
      throw new AppError(
        'bad_request',
        `could not get container for ${target}: No such container: ${target}`,
      );
    if (must && !other?.isRunning)
      throw new AppError(
        'conflict',
        `Cannot link to a non running container: /${target} AS /${name}/${alias}`,
      );
    const shared = other?.endpoints.find(({ networkId }) =>
      container.endpoints.some((mine) => mine.networkId === networkId),
    );
    if (!other || !shared) return [];
    const names = [...new Set([alias, other.record.config.Hostname, other.record.name])];
    return [{ address: shared.address, names: names.filter((one) => /^[\w.-]+$/.test(one)) }];
  });
}

/** The addresses that the container finds under its own name. */
export function ownAddresses({ endpoints }: Container): string[] {
  return endpoints.flatMap(({ address, address6 }) => [address, ...(address6 ? [address6] : [])]);
}

/** What a run record says, also one that a daemon from before several networks wrote. */
export function adoptNetworks(container: Container, run: RunRecord | undefined, networks: Networks): void {
  const { id, record } = container;
  const old = run?.endpoint;
  container.endpoints =
    run?.endpoints ??
    (old
      ? [
          {
            ...old,
            id,
            containerId: id,
            ifname: 'eth0',
            hostIfname: `bv${id.slice(0, 12)}`,
            names: [],
            internal: networks.find(old.networkId)?.internal ?? false,
            gwPriority: 0,
          },
        ]
      : []);
  const settings = new Map(networkSettings(record));
  for (const endpoint of container.endpoints)
    endpoint.names = namesOf(container, settings.get(endpoint.networkName));
  container.ports = run?.ports ?? [];
  networks.adopt(container.endpoints, container.ports);
}
