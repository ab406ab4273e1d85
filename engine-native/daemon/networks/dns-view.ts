// What the resolver must know of the networks: data handed from networks.ts to dns/, renewed on each change. Pure.
import type { Endpoint } from './endpoint.ts';
import type { NetworkRecord } from './network.ts';

export interface NetworkDnsView {
  networkId: string;
  bridge: string;
  gateway: string;
  gateway6?: string;
  internal: boolean;
  /** The network's own prefixes, v4 and v6: reverse lookups inside them are ours to answer. */
  subnets: string[];
  endpoints: EndpointDnsView[];
}

export interface EndpointDnsView {
  containerId: string;
  /** Container name, short id, hostname and aliases; two containers may share one. */
  names: string[];
  /** v4 and v6. */
  addresses: string[];
}

export function dnsViewOf(network: NetworkRecord, endpoints: Iterable<Endpoint>): NetworkDnsView {
  const mine = [...endpoints].filter(({ networkId }) => networkId === network.id);
  return {
    networkId: network.id,
    bridge: network.bridge,
    gateway: network.gateway,
    ...(network.gateway6 ? { gateway6: network.gateway6 } : {}),
    internal: network.internal,
    subnets: [network.subnet, ...(network.subnet6 ? [network.subnet6] : [])],
    endpoints: mine.map(({ containerId, names, address, address6 }) => ({
      containerId,
      names,
      addresses: [address, ...(address6 ? [address6] : [])],
    })),
  };
}
