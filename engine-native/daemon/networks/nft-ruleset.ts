// The whole nftables table of one engine as text, for one transaction. Pure; networks.ts has it applied.
// Replies (established) always pass: the router on the host opens connections to containers that may open none to it.
import { isEgressIsolated, isIccOff, type NetworkRecord } from './network.ts';

/** Every engine cuts its networks from here, so isolated containers are kept from other engines' networks as well. */
const enginePools = '10.201.0.0-10.239.255.255';

export function nftRuleset(engineName: string, networks: NetworkRecord[], pool: string): string {
  const table = `inet berth_${engineName}`;
  const bridges = networks.map(({ bridge }) => quote(bridge)).join(', ');
  const set = bridges === '' ? '' : `    elements = { ${bridges} }\n`;
  return `table ${table} {}
delete table ${table}
table ${table} {
  set bridges {
    type ifname
${set}  }
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
${lines(networks, spoofRules)}  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
${lines(networks, inputRules)}  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
${lines(networks, (network) => forwardRules(network, pool))}    iifname @bridges oifname @bridges drop
    oifname @bridges ct state new drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
${lines(networks, natRules)}  }
}
`;
}

function lines(networks: NetworkRecord[], rules: (network: NetworkRecord) => string[]): string {
  return networks
    .flatMap(rules)
    .map((rule) => `    ${rule}\n`)
    .join('');
}

/** A container speaks with its own network's addresses or not at all. */
function spoofRules({ bridge, subnet }: NetworkRecord): string[] {
  return [`iifname ${quote(bridge)} ip saddr != ${subnet} drop`];
}

/** Of the host, an isolated network reaches its own name server and nothing else. */
function inputRules(network: NetworkRecord): string[] {
  if (!isEgressIsolated(network)) return [];
  const bridge = `iifname ${quote(network.bridge)}`;
  const gateways = [
    `ip daddr ${network.gateway}`,
    ...(network.gateway6 ? [`ip6 daddr ${network.gateway6}`] : []),
  ];
  return [
    ...gateways.map((gateway) => `${bridge} ${gateway} meta l4proto { tcp, udp } th dport 53 accept`),
    `${bridge} drop`,
  ];
}

function forwardRules(network: NetworkRecord, pool: string): string[] {
  const bridge = quote(network.bridge);
  const rules = [`iifname ${bridge} oifname ${bridge} ${isIccOff(network) ? 'drop' : 'accept'}`];
  if (network.internal) rules.push(`iifname ${bridge} drop`, `oifname ${bridge} drop`);
  else if (isEgressIsolated(network))
    rules.push(
      `iifname ${bridge} meta nfproto ipv6 drop`,
      `iifname ${bridge} ip daddr { 127.0.0.0/8, 169.254.0.0/16, ${enginePools}${outside(pool)} } drop`,
    );
  return rules;
}

/** A pool of the operator's own choice lies outside the common one and must be named as well. */
function outside(pool: string): string {
  const [, second = ''] = pool.split('.');
  const isCommon = pool.startsWith('10.') && Number(second) >= 201 && Number(second) <= 239;
  return isCommon ? '' : `, ${pool}`;
}

/** The host's own calls of a gateway go through lo and keep their address. */
function natRules({ bridge, subnet, internal }: NetworkRecord): string[] {
  return internal ? [] : [`ip saddr ${subnet} oifname != { ${quote(bridge)}, "lo" } masquerade`];
}

function quote(name: string): string {
  return `"${name}"`;
}
