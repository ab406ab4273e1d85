// Memory of the whole platform with nothing deployed: PSS of every process it started, PostgreSQL and Redis included.
// Measured after a second start, when the compiled code is kept, and after a rest. `npm run bench:idle-memory`; needs root.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPlatform } from '../../helpers/platform.ts';

const restSeconds = Number(process.argv[2] ?? 30);

async function main(): Promise<void> {
  const platform = await startPlatform();
  try {
    await platform.stop();
    await platform.up();
    await sleep(restSeconds * 1000);
    const status = await platform.status();
    const roots = [status.pid, ...status.parts.flatMap((part) => (part.pid ? [part.pid] : []))];
    const rows = withDescendants(roots).map((pid) => ({ name: nameOf(pid), kb: pssOf(pid) }));
    const byName = Map.groupBy(rows, (row) => row.name.replace(/: .*/, ''));
    const sums = [...byName].map(([name, group]) => ({
      name,
      count: group.length,
      kb: group.reduce((sum, row) => sum + row.kb, 0),
    }));
    sums.sort((a, b) => b.kb - a.kb);
    console.log('| process | count | PSS, MB |\n|---|--:|--:|');
    for (const { name, count, kb } of sums) console.log(`| ${name} | ${count} | ${(kb / 1024).toFixed(1)} |`);
    const total = sums.reduce((sum, row) => sum + row.kb, 0);
    console.log(`| **all** | ${rows.length} | **${(total / 1024).toFixed(1)}** |`);
  } finally {
    await platform.down();
  }
}

function withDescendants(roots: number[]): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // it has just ended
    }
  }
  const wanted = new Set(roots);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents) {
      if (!wanted.has(parent) || wanted.has(pid)) continue;
      wanted.add(pid);
      grew = true;
    }
  }
  return [...wanted];
}

function nameOf(pid: number): string {
  const [first = '', second = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return first.startsWith('/')
    ? (first.split('/').at(-1) ?? first)
    : `${first} ${second}`.trim().split(' ')[0] || String(pid);
}

/** Kilobytes: its own pages and its share of those it has in common with others (proc(5), smaps_rollup). */
function pssOf(pid: number): number {
  return Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}

await main();
