// One container's place on one network: what was asked for, and what it has while it runs. Made by networks.ts, kept in the
// container's run record so that the next daemon finds it again. Only data.

/** What a container asks of one of its networks, in Docker's words; kept in its config.json. */
export interface EndpointSettings {
  IPAMConfig: { IPv4Address?: string; IPv6Address?: string } | null;
  Aliases: string[];
  /** `container` or `container:alias`. */
  Links: string[];
  MacAddress: string;
  DriverOpts: Record<string, string>;
  /** The network with the highest one holds the default route. */
  GwPriority: number;
}

export const plainSettings: EndpointSettings = {
  IPAMConfig: null,
  Aliases: [],
  Links: [],
  MacAddress: '',
  DriverOpts: {},
  GwPriority: 0,
};

export interface Endpoint {
  id: string;
  containerId: string;
  networkId: string;
  networkName: string;
  /** Inside the container; the host's end is `hostIfname`. */
  ifname: string;
  hostIfname: string;
  address: string;
  prefix: number;
  gateway: string;
  /** Only on networks with IPv6. */
  address6?: string;
  prefix6?: number;
  gateway6?: string;
  mac: string;
  /** What resolves to it on its network. */
  names: string[];
  /** No default route leads through it, and no port is published on it. */
  internal: boolean;
  gwPriority: number;
}

/** One port of the host that leads to a port of a container. */
export interface PublishedPort {
  proto: 'tcp' | 'udp' | 'sctp';
  /** 0.0.0.0 and :: stand for every address of the host. */
  hostIp: string;
  hostPort: number;
  containerPort: number;
}

/** Who holds the default route, and so answers for published ports: by priority, then by the network's name. */
export function gatewayEndpoint(endpoints: Endpoint[]): Endpoint | undefined {
  return order(endpoints)[0];
}

export function gatewayEndpoint6(endpoints: Endpoint[]): Endpoint | undefined {
  return order(endpoints).find(({ address6 }) => address6 !== undefined);
}

function order(endpoints: Endpoint[]): Endpoint[] {
  return endpoints
    .filter(({ internal }) => !internal)
    .sort((a, b) => b.gwPriority - a.gwPriority || (a.networkName < b.networkName ? -1 : 1));
}
