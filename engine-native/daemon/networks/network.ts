// One network as it is kept in networks.json, and what follows from its options. Only data.

export interface NetworkRecord {
  id: string;
  name: string;
  /** RFC 3339. */
  created: string;
  /** Name of the bridge device. */
  bridge: string;
  subnet: string;
  gateway: string;
  /** Only with IPv6. */
  subnet6?: string;
  gateway6?: string;
  internal: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
}

const iccOption = 'com.docker.network.bridge.enable_icc';
const egressKey = 'berth.egress';

/** Containers of the network cannot reach each other. */
export function isIccOff(network: NetworkRecord): boolean {
  return network.options[iccOption] === 'false';
}

/** Containers of the network reach the internet only: not the host, not another network, not link-local addresses. */
export function isEgressIsolated(network: NetworkRecord): boolean {
  return network.options[egressKey] === 'isolated' || network.labels[egressKey] === 'isolated';
}
