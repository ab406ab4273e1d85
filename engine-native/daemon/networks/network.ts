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
  /** Part of the subnet that addresses are given out from. */
  ipRange?: string;
  /** Addresses that are never given out, by the name of who has them. */
  auxAddresses?: Record<string, string>;
  /** Only with IPv6. */
  subnet6?: string;
  gateway6?: string;
  internal: boolean;
  attachable?: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
}

export const bridgeOption = 'com.docker.network.bridge.';
export const mtuOption = 'com.docker.network.driver.mtu';
const egressKey = 'berth.egress';

/** Containers of the network cannot reach each other. */
export function isIccOff(network: NetworkRecord): boolean {
  return isOff(network, 'enable_icc');
}

/** Containers keep their own addresses on the way out; the operator routes them. */
export function isMasqueradeOff(network: NetworkRecord): boolean {
  return isOff(network, 'enable_ip_masquerade');
}

/** Where ports are published that name no address; "" = everywhere. */
export function defaultBindingIp(network: NetworkRecord): string {
  return network.options[`${bridgeOption}host_binding_ipv4`] ?? '';
}

/** Containers of the network reach the internet only: not the host, not another network, not link-local addresses. */
export function isEgressIsolated(network: NetworkRecord): boolean {
  return network.options[egressKey] === 'isolated' || network.labels[egressKey] === 'isolated';
}

function isOff({ options }: NetworkRecord, name: string): boolean {
  return ['false', '0', 'f'].includes((options[`${bridgeOption}${name}`] ?? '').toLowerCase());
}
