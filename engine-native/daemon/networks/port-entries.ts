// What the firewall's maps hold for the published ports of a container. Pure; used by networks.ts.
import type { PortEntry } from '../runtime/helper.ts';
import { type Endpoint, gatewayEndpoint, gatewayEndpoint6, type PublishedPort } from './endpoint.ts';
import { portEntry } from './nft-ruleset.ts';

/** Each port leads to the address, of its own family, that the container's default route leaves from. */
export function entriesOf(ports: PublishedPort[], endpoints: Endpoint[]): PortEntry[] {
  const v4 = gatewayEndpoint(endpoints)?.address;
  const v6 = gatewayEndpoint6(endpoints)?.address6;
  return ports.flatMap((port) => {
    const to = port.hostIp.includes(':') ? v6 : v4;
    return to === undefined ? [] : [portEntry(port, to)];
  });
}
