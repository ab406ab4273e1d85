// The text of a container's /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure.
import { AppError } from '@berth/kit/errors.ts';
import type { Resolver } from './host-network.ts';

export interface HostsEntry {
  address: string;
  names: string[];
}

/** `names` are the container's own, the longest first. */
export function hostsText(names: string[], addresses: string[], extra: HostsEntry[]): string {
  const own = addresses.map((address) => ({ address, names }));
  const entries: HostsEntry[] = [
    { address: '127.0.0.1', names: ['localhost'] },
    { address: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] },
    { address: 'fe00::0', names: ['ip6-localnet'] },
    { address: 'ff00::0', names: ['ip6-mcastprefix'] },
    { address: 'ff02::1', names: ['ip6-allnodes'] },
    { address: 'ff02::2', names: ['ip6-allrouters'] },
    ...extra,
    ...own,
  ];
  return entries.map((entry) => `${entry.address}\t${entry.names.join(' ')}\n`).join('');
}

/** `name:address`; `host-gateway` stands for the network's gateway. */
export function parseExtraHosts(extraHosts: string[], gateway: string | undefined): HostsEntry[] {
  return extraHosts.map((entry) => {
    const cut = entry.search(/[:=]/);
    const name = entry.slice(0, cut);
    const target = entry.slice(cut + 1);
    const address = target === 'host-gateway' ? gateway : target;
    if (cut < 1 || address === undefined || !/^[0-9a-fA-F:.]+$/.test(address) || !/^[\w.-]+$/.test(name))
      throw new AppError('bad_request', `extra host "${entry}" is malformed`, { hint: 'write name:address' });
    return { address, names: [name] };
  });
}

export function resolvConfText({ servers, search, options }: Resolver): string {
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
