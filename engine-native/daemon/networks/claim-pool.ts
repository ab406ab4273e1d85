// Chooses the /16 this engine cuts its networks from, and keeps it: engines on one host must never pick the same one.
// The choice lies in ROOT/network-pool.json; /run/berth-network-pools holds one claim file a /16.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { readJsonTwin, writeJsonTwice } from '../files.ts';
import { type Cidr, formatCidr, formatIp, overlaps, parseCidr, parseIp } from './cidr.ts';
import { hostRoutes, routedCidrs } from './host-network.ts';

const claimsDir = '/run/berth-network-pools';
const firstPool = parseIp('10.201.0.0');
const lastPool = parseIp('10.239.0.0');

export function claimPool(
  root: string,
  configured: string,
  routes: Cidr[] = routedCidrs(hostRoutes()),
): Cidr {
  if (configured !== 'auto') return parseCidr(configured);
  const remembered = join(root, 'network-pool.json');
  const kept = readJsonTwin<{ pool: string }>(remembered);
  if (kept && claim(kept.pool, root)) return parseCidr(kept.pool);
  for (let base = firstPool; base <= lastPool; base += 65_536) {
    const pool = { base, prefix: 16 };
    if (routes.some((route) => overlaps(pool, route))) continue;
    if (!claim(formatCidr(pool), root)) continue;
    writeJsonTwice(remembered, { pool: formatCidr(pool) });
    return pool;
  }
  throw new AppError('no_space', 'no free /16 is left between 10.201.0.0 and 10.239.0.0', {
    hint: 'set BERTH_ENGINE_POOL to a range that the host has no route to',
  });
}

/** Takes the claim file of a pool; false when a living engine (one whose root still remembers the pool) has it. */
function claim(pool: string, root: string): boolean {
  mkdirSync(claimsDir, { recursive: true, mode: 0o700 });
  const file = join(claimsDir, formatIp(parseCidr(pool).base));
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      writeFileSync(file, root, { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
    }
    const owner = readFileSync(file, 'utf8');
    if (owner === root) return true;
    if (readJsonTwin<{ pool: string }>(join(owner, 'network-pool.json'))?.pool === pool) return false;
    rmSync(file, { force: true });
  }
  return false;
}

export function releasePool(root: string, pool: Cidr): void {
  const file = join(claimsDir, formatIp(pool.base));
  try {
    if (readFileSync(file, 'utf8') === root) rmSync(file);
  } catch {
    // never claimed: a configured pool
  }
}
