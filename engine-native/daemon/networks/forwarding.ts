// Turns the host into a router for its containers. Called by networks.ts when a bridge comes up.
import { readdirSync } from 'node:fs';
import type { Helper } from '../runtime/helper.ts';
import { readText } from './host-network.ts';

const confDir = '/proc/sys/net/ipv6/conf';

export async function enableForwarding(helper: Helper): Promise<void> {
  if (readText('/proc/sys/net/ipv4/ip_forward').trim() === '1') return;
  await helper.setSysctl('net.ipv4.ip_forward', '1');
}

/**
 * A router ignores the router advertisements that its own default route may come from. Interfaces that took them
 * go on taking them (2 = even when forwarding).
 */
export async function enableForwarding6(helper: Helper): Promise<void> {
  if (readText(`${confDir}/all/forwarding`).trim() === '1') return;
  for (const name of readdirSync(confDir)) {
    if (name === 'all' || !/^[\w-]{1,15}$/.test(name)) continue;
    if (readText(`${confDir}/${name}/accept_ra`).trim() !== '1') continue;
    await helper.setSysctl(`net.ipv6.conf.${name}.accept_ra`, '2');
  }
  await helper.setSysctl('net.ipv6.conf.all.forwarding', '1');
}
