// The text of the file that berth-dns answers from (its format: runtime/dns/records.h). Pure; dns.ts writes it.
// Must never let a name break out of its line: whoever chooses an alias chooses what is written here.
import type { NetworkDnsView } from '../networks/dns-view.ts';

export interface DnsNetwork extends NetworkDnsView {
  name: string;
}

/** `serversOf`: the name servers that a container was given with --dns. */
export function recordsText(networks: DnsNetwork[], serversOf: (containerId: string) => string[]): string {
  const lines = networks.flatMap((network) => [
    networkLine(network),
    ...network.endpoints.flatMap(({ containerId, names, addresses }) => {
      const all = allNames(names, network.name);
      if (all.length === 0 || addresses.length === 0) return [];
      const servers = serversOf(containerId);
      const words = ['host', containerId.slice(0, 16), addresses.join(','), all.join(',')];
      return [[...words, ...(servers.length > 0 ? [servers.join(',')] : [])].join(' ')];
    }),
  ]);
  return `${['berth-dns 1', ...lines].join('\n')}\n`;
}

function networkLine({ bridge, internal, gateway, gateway6, subnets }: DnsNetwork): string {
  const gateways = gateway6 === undefined ? gateway : `${gateway},${gateway6}`;
  return `network ${bridge} ${internal ? 'internal' : 'open'} ${gateways} ${subnets.join(',')}`;
}

/** The first one is what the address is called in reverse: the container's name on this network. */
function allNames(names: string[], network: string): string[] {
  const good = names.filter((name) => /^\w[\w.-]{0,252}$/.test(name));
  return [
    ...good.slice(0, 1).map((name) => `${name}.${network}`),
    ...good,
    ...good.slice(1).map((name) => `${name}.${network}`),
  ];
}
