// Looks for what any platform or engine of a test may have left on the machine and fails when there is something. Called by .ci/run at the end.
// Read-only. A platform in the default data folder is the user's own, and no leftover.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoots, listLinks, listMounts, listTables } from './leftovers.ts';
import { allPids, commandName } from './processes.ts';

const ownData = '/var/lib/berth';
const own = existsSync(ownData)
  ? createHash('sha256').update(realpathSync(ownData)).digest('hex').slice(0, 6)
  : 'none';
/** Which engine took which addresses; it lives as long as the machine. */
const kept = ['berth-network-pools', 'berth-runtime', `berth-${own}`];

const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
const isForeign = (name: string) => !name.includes(own);

const runFolders = names('/run').filter((name) => name.startsWith('berth-') && !kept.includes(name));
const namespaces = names('/run/netns').filter((name) => name.startsWith('berth'));
const cgroups = cgroupRoots().flatMap((root) =>
  names(root)
    .filter((name) => name.startsWith('berth-') && isForeign(name))
    .map((name) => join(root, name)),
);
const engines = new Set([...cgroups, ...runFolders].flatMap((path) => /berth-(b\w+)$/.exec(path)?.[1] ?? []));
const links = (await listLinks()).filter((name) => engines.has(name.split('-')[0] ?? ''));
const tables = (await listTables()).filter((table) => / berth_/.test(table) && isForeign(table));
const mounts = listMounts().filter((point) => point.startsWith('/run/berth-') && isForeign(point));
const processes = existsSync(`/run/berth-${own}/supervisor.sock`)
  ? []
  : allPids()
      .map((pid) => ({ pid, name: commandName(pid) }))
      .filter(({ name }) => /^berth-|^bh:/.test(name));

const lines = [
  ...processes.map(({ pid, name }) => `process ${pid} (${name})`),
  ...mounts.map((point) => `mount "${point}"`),
  ...cgroups.map((path) => `cgroup "${path}"`),
  ...links.map((name) => `network interface "${name}"`),
  ...tables.map((table) => `nftables table "${table}"`),
  ...namespaces.map((name) => `network namespace "${name}"`),
  ...runFolders.map((name) => `run folder "/run/${name}"`),
];
process.stdout.write(lines.length === 0 ? 'nothing is left\n' : `${lines.join('\n')}\n`);
process.exitCode = lines.length === 0 ? 0 : 1;
