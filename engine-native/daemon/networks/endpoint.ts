// One container's place on one network while it runs: addresses, interface names, and the names it answers to.
// Made by networks.ts, kept in the container's run record so that the next daemon finds it again. Only data.

export interface Endpoint {
  containerId: string;
  networkId: string;
  networkName: string;
  address: string;
  prefix: number;
  gateway: string;
  /** Only on networks with IPv6. */
  address6?: string;
  mac: string;
  /** What resolves to it on its network. */
  names: string[];
}
