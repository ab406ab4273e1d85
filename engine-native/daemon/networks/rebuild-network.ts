// The record of a network out of what a running container has on it, for the day when networks.json and its twin are both damaged.
// Called when containers are adopted. Labels and options of the network are lost; containers of it stay reachable.
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { formatCidr, parseCidr } from './cidr.ts';
import type { Endpoint } from './endpoint.ts';
import { formatCidr6, parseCidr6 } from './ipv6.ts';
import type { NetworkRecord } from './network.ts';

/** undefined when the kernel does not know which bridge the container hangs on. */
export function rebuildNetwork(endpoint: Endpoint): NetworkRecord | undefined {
  const { networkId, networkName, hostIfname, address, prefix, gateway, internal } = endpoint;
  const { address6, prefix6, gateway6 } = endpoint;
  const bridge = bridgeOf(hostIfname);
  if (bridge === undefined) return undefined;
  return {
    id: networkId,
    name: networkName,
    created: new Date().toISOString(),
    bridge,
    subnet: formatCidr(parseCidr(`${address}/${prefix}`)),
    gateway,
    ...(address6 && gateway6 ? { subnet6: formatCidr6(parseCidr6(`${address6}/${prefix6}`)), gateway6 } : {}),
    internal,
    attachable: false,
    labels: {},
    options: {},
  };
}

function bridgeOf(hostIfname: string): string | undefined {
  try {
    return basename(readlinkSync(`/sys/class/net/${hostIfname}/master`));
  } catch {
    return undefined;
  }
}
