// The whole nftables table of one engine as text, for one transaction. Pure; firewall.ts has it applied.
// Replies (established) always pass: the router on the host opens connections to containers that may open none to it.
// A packet meets a handful of rules however many networks there are: verdict maps lead to the rules of its own bridge.
import { isIPv6 } from 'node:net';
import type { PortEntry } from '../runtime/helper.ts';
import type { PublishedPort } from './endpoint.ts';
import { isEgressIsolated, isIccOff, isMasqueradeOff, type NetworkRecord } from './network.ts';
import { isWildcard } from './published-ports.ts';

/** Every engine cuts its networks from here, so isolated containers are kept from other engines' networks as well. */
const enginePools = '10.201.0.0-10.239.255.255';
/** Names of the host's own resolver on each bridge, which internal and isolated networks may ask. */
const dnsPort = 53;

export function tableName(engineName: string): string {
  return `berth_${engineName}`;
}

export function portEntry(port: PublishedPort, to: string): PortEntry {
  const ip = isWildcard(port.hostIp) ? '' : port.hostIp;
  return { proto: port.proto, ip, port: port.hostPort, to, toPort: port.containerPort };
}

export function nftRuleset(
  engineName: string,
  networks: NetworkRecord[],
  pool: string,
  ports: PortEntry[] = [],
): string {
  const table = `inet ${tableName(engineName)}`;
  return `table ${table} {}
delete table ${table}
table ${table} {
${sets(networks)}${portMaps(ports)}${networks.map((network) => networkChains(network, pool)).join('')}  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
${dispatch('iifname', 'from', networks)}  }
  chain published {
    dnat ip to ip daddr . meta l4proto . th dport map @one4
    dnat ip to meta l4proto . th dport map @any4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @one6
    dnat ip6 to meta l4proto . th dport map @any6
  }
  chain nat_prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump published
  }
  chain nat_output {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
${dispatch('iifname', 'host', networks.filter(isClosedToHost))}  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
${dispatch('iifname', 'out', networks)}${dispatch('oifname', 'in', networks)}  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr @own4 oifname @bridges ct status dnat masquerade
    ip6 saddr @own6 oifname @bridges ct status dnat masquerade
    oifname "lo" accept
    ip saddr @nat4 oifname != @bridges masquerade
    ip6 saddr @nat6 oifname != @bridges masquerade
  }
}
`;
}

function sets(networks: NetworkRecord[]): string {
  const leaving = networks.filter((network) => !network.internal && !isMasqueradeOff(network));
  const subnets6 = (some: NetworkRecord[]) => some.flatMap(({ subnet6 }) => (subnet6 ? [subnet6] : []));
  const subnets = (some: NetworkRecord[]) => some.map(({ subnet }) => subnet);
  return [
    set(
      'bridges',
      'type ifname',
      networks.map(({ bridge }) => quote(bridge)),
    ),
    set('own4', 'type ipv4_addr; flags interval', subnets(networks)),
    set('own6', 'type ipv6_addr; flags interval', subnets6(networks)),
    set('nat4', 'type ipv4_addr; flags interval', subnets(leaving)),
    set('nat6', 'type ipv6_addr; flags interval', subnets6(leaving)),
  ].join('');
}

function set(name: string, type: string, elements: string[], kind = 'set'): string {
  const content = elements.length === 0 ? '' : `    elements = { ${elements.join(', ')} }\n`;
  return `  ${kind} ${name} {\n    ${type}\n${content}  }\n`;
}

function portMaps(ports: PortEntry[]): string {
  const map = (name: string, key: string, address: string, isMine: (entry: PortEntry) => boolean) =>
    set(name, `type ${key} : ${address} . inet_service`, ports.filter(isMine).map(mapElement), 'map');
  const proto = 'inet_proto . inet_service';
  return [
    map('any4', proto, 'ipv4_addr', ({ ip, to }) => ip === '' && !isIPv6(to)),
    map('one4', `ipv4_addr . ${proto}`, 'ipv4_addr', ({ ip, to }) => ip !== '' && !isIPv6(to)),
    map('any6', proto, 'ipv6_addr', ({ ip, to }) => ip === '' && isIPv6(to)),
    map('one6', `ipv6_addr . ${proto}`, 'ipv6_addr', ({ ip, to }) => ip !== '' && isIPv6(to)),
  ].join('');
}

function mapElement({ proto, ip, port, to, toPort }: PortEntry): string {
  return `${ip === '' ? '' : `${ip} . `}${proto} . ${port} : ${to} . ${toPort}`;
}

function dispatch(field: string, prefix: string, networks: NetworkRecord[]): string {
  if (networks.length === 0) return '';
  const entries = networks.map(({ bridge }) => `${quote(bridge)} : jump ${prefix}_${bridge}`);
  return `    ${field} vmap { ${entries.join(', ')} }\n`;
}

function networkChains(network: NetworkRecord, pool: string): string {
  const { bridge } = network;
  return [
    chain(`from_${bridge}`, spoofRules(network)),
    isClosedToHost(network) ? chain(`host_${bridge}`, hostRules(network)) : '',
    chain(`out_${bridge}`, outRules(network, pool)),
    chain(`in_${bridge}`, inRules(network)),
  ].join('');
}

function chain(name: string, rules: string[]): string {
  return `  chain ${name} {\n${rules.map((rule) => `    ${rule}\n`).join('')}  }\n`;
}

/** A container speaks with its own network's addresses or not at all, and plays no router. */
function spoofRules({ subnet, subnet6 }: NetworkRecord): string[] {
  const v4 = `ip saddr != ${subnet} drop`;
  if (subnet6 === undefined) return [v4, 'meta nfproto ipv6 drop'];
  return [
    v4,
    `ip6 saddr != { ::, fe80::/10, ${subnet6} } drop`,
    'icmpv6 type { nd-router-advert, nd-redirect } drop',
  ];
}

function isClosedToHost(network: NetworkRecord): boolean {
  return network.internal || isEgressIsolated(network);
}

/** Names may be asked for; an internal network reaches its own gateway besides, and nothing else of the host. */
function hostRules(network: NetworkRecord): string[] {
  const { gateway, gateway6, subnet6 } = network;
  const gateways = [`ip daddr ${gateway}`, ...(gateway6 ? [`ip6 daddr ${gateway6}`] : [])];
  const isInternal = network.internal && !isEgressIsolated(network);
  return [
    ...(subnet6 ? ['icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept'] : []),
    ...gateways.map((to) =>
      isInternal ? `${to} accept` : `${to} meta l4proto { tcp, udp } th dport ${dnsPort} accept`,
    ),
    'drop',
  ];
}

/** What leaves the bridge: to itself, to the internet, and to other networks only through their published ports. */
function outRules(network: NetworkRecord, pool: string): string[] {
  const own = `oifname ${quote(network.bridge)}`;
  const rules = [`${own} ct status dnat accept`, `${own} ${isIccOff(network) ? 'drop' : 'accept'}`];
  if (network.internal) return [...rules, 'drop'];
  if (isEgressIsolated(network))
    return [
      ...rules,
      'oifname @bridges drop',
      'meta nfproto ipv6 drop',
      `ip daddr { 127.0.0.0/8, 169.254.0.0/16, ${enginePools}${outside(pool)} } drop`,
    ];
  return [...rules, 'oifname @bridges ct status dnat accept', 'oifname @bridges drop'];
}

/** What comes from elsewhere: only what a published port led here. */
function inRules(network: NetworkRecord): string[] {
  return network.internal ? ['drop'] : ['ct status dnat accept', 'drop'];
}

/** A pool of the operator's own choice lies outside the common one and must be named as well. */
function outside(pool: string): string {
  const [, second = ''] = pool.split('.');
  const isCommon = pool.startsWith('10.') && Number(second) >= 201 && Number(second) <= 239;
  return isCommon ? '' : `, ${pool}`;
}

function quote(name: string): string {
  return `"${name}"`;
}
