// Takes away bridges of this engine whose network was removed, or whose record was lost, while nobody was there to do it. Called at the start.
// Must never take a bridge that something hangs on.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@berth/kit/logging.ts';
import type { Helper } from '../runtime/helper.ts';
import type { NetworkRecord } from './network.ts';

const links = '/sys/class/net';

export async function removeStrayBridges(
  engineName: string,
  networks: readonly NetworkRecord[],
  helper: Helper,
  log: Logger,
): Promise<void> {
  const known = new Set(networks.map(({ bridge }) => bridge));
  const own = readdirSync(links).filter((name) => name.startsWith(`${engineName}-`));
  for (const bridge of own.filter((name) => !known.has(name) && isUnused(name)))
    await helper
      .removeBridge(bridge)
      .catch((err: unknown) => log.warn({ err, bridge }, 'bridge stays until the next start'));
}

function isUnused(bridge: string): boolean {
  const members = join(links, bridge, 'brif');
  return existsSync(members) && readdirSync(members).length === 0;
}
