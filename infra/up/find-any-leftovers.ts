// Looks for what any test platform may have left on the machine and fails when there is something. Called by .ci/run at the end.
// Read-only. A platform that lives in the default data folder is the user's own and no leftover.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { describeLeftovers, findLeftovers } from './leftovers.ts';

const ownData = '/var/lib/berth';
const own = existsSync(ownData) ? idOf(realpathSync(ownData)) : undefined;

function idOf(dataDir: string): string {
  return createHash('sha256').update(dataDir).digest('hex').slice(0, 6);
}

/** The ids of all platforms that a trace is left of, by their run folders and their cgroups. */
function idsOnMachine(): string[] {
  const fromRun = readdirSync('/run').flatMap((name) => /^berth-([0-9a-f]{6})$/.exec(name)?.[1] ?? []);
  const fromCgroups = [
    ...list('/sys/fs/cgroup'),
    ...list('/sys/fs/cgroup/memory'),
    ...list('/sys/fs/cgroup/pids'),
  ].flatMap((name) => /^berth-b([0-9a-f]{6})$/.exec(name)?.[1] ?? []);
  return [...new Set([...fromRun, ...fromCgroups])].filter((id) => id !== own);
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

const lines: string[] = [];
for (const id of idsOnMachine()) {
  const left = await findLeftovers({ runDir: `/run/berth-${id}`, engineName: `b${id}` });
  lines.push(...describeLeftovers(left));
  if (existsSync(`/run/berth-${id}`)) lines.push(`run folder "/run/berth-${id}"`);
}
process.stdout.write(lines.length === 0 ? 'nothing is left\n' : `${lines.join('\n')}\n`);
process.exitCode = lines.length === 0 ? 0 : 1;
