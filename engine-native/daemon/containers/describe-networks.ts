// The networks and ports of a container as Docker's API shows them, in inspect and in lists. Reads records; changes nothing.
import { gatewayEndpoint, type PublishedPort } from '../networks/endpoint.ts';
import type { Networks } from '../networks/networks.ts';
import { isNetworkMode } from '../networks/parse-network.ts';
import { exposedKeys } from '../networks/port-requests.ts';
import type { Container } from './container.ts';
import { namesOf, networkSettings } from './container-networks.ts';

export function describeNetworkSettings(container: Container, networks: Networks): object {
  const main =
    container.endpoints.find(({ networkName }) => networkName === 'bridge') ??
    gatewayEndpoint(container.endpoints) ??
    container.endpoints[0];
  return {
    Bridge: '',
    SandboxID: container.isRunning ? container.id : '',
    SandboxKey: container.pid > 0 ? `/proc/${container.pid}/ns/net` : '',
    Ports: describePorts(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: main?.id ?? '',
    Gateway: main?.gateway ?? '',
    GlobalIPv6Address: main?.address6 ?? '',
    GlobalIPv6PrefixLen: main?.prefix6 ?? 0,
    IPAddress: main?.address ?? '',
    IPPrefixLen: main?.prefix ?? 0,
    IPv6Gateway: main?.gateway6 ?? '',
    MacAddress: main?.mac ?? '',
    Networks: describeEndpoints(container, networks),
  };
}

/** By the network's name; without addresses while the container does not run. */
export function describeEndpoints(container: Container, networks: Networks): Record<string, object> {
  const mode = container.record.hostConfig.NetworkMode;
  if (mode.startsWith('container:')) return {};
  if (!isNetworkMode(mode)) return { [mode]: { ...emptyEndpoint, NetworkID: networks.find(mode)?.id ?? '' } };
  return Object.fromEntries(
    networkSettings(container.record).map(([name, settings]) => {
      const network = networks.find(name);
      const endpoint = container.endpoints.find(({ networkId }) => networkId === network?.id);
      const asked = {
        IPAMConfig: settings.IPAMConfig,
        Links: settings.Links.length > 0 ? settings.Links : null,
        Aliases: settings.Aliases.length > 0 ? settings.Aliases : null,
        MacAddress: endpoint?.mac ?? settings.MacAddress,
        GwPriority: settings.GwPriority,
        DNSNames: network && network.name !== 'bridge' ? namesOf(container, settings) : null,
        NetworkID: network?.id ?? '',
      };
      if (!endpoint) return [network?.name ?? name, { ...emptyEndpoint, ...asked }];
      const has = {
        EndpointID: endpoint.id,
        Gateway: endpoint.internal ? '' : endpoint.gateway,
        IPAddress: endpoint.address,
        IPPrefixLen: endpoint.prefix,
        IPv6Gateway: endpoint.internal ? '' : (endpoint.gateway6 ?? ''),
        GlobalIPv6Address: endpoint.address6 ?? '',
        GlobalIPv6PrefixLen: endpoint.prefix6 ?? 0,
      };
      return [endpoint.networkName, { ...emptyEndpoint, ...asked, ...has }];
    }),
  );
}

const emptyEndpoint = {
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  MacAddress: '',
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: '',
  EndpointID: '',
  Gateway: '',
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
};

/** `null` = exposed but not published. */
function describePorts(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  if (!container.isRunning) return {};
  const described: ReturnType<typeof describePorts> = {};
  for (const key of exposed(container)) described[key] = null;
  for (const { proto, hostIp, hostPort, containerPort } of leading(container)) {
    const key = `${containerPort}/${proto}`;
    described[key] = [...(described[key] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  return described;
}

/** The Ports column of `docker ps`. */
export function summarisePorts(container: Container): object[] {
  if (!container.isRunning) return [];
  const ports = leading(container);
  const published = ports.map(({ proto, hostIp, hostPort, containerPort }) => ({
    IP: hostIp,
    PrivatePort: containerPort,
    PublicPort: hostPort,
    Type: proto,
  }));
  const taken = new Set(ports.map(({ containerPort, proto }) => `${containerPort}/${proto}`));
  const unpublished = exposed(container)
    .filter((key) => !taken.has(key))
    .map((key) => ({ PrivatePort: Number.parseInt(key, 10), Type: key.split('/')[1] }));
  return [...published, ...unpublished];
}

/** On internal networks alone no port leads in. */
function leading({ endpoints, ports }: Container): PublishedPort[] {
  return gatewayEndpoint(endpoints) ? ports : [];
}

function exposed({ record, endpoints }: Container): string[] {
  return endpoints.length > 0 ? exposedKeys(record.config.ExposedPorts) : [];
}
