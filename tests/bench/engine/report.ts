// The benchmark's table, as text and as RESULTS.md. Pure. Used by run.ts.
import { cpus, release } from 'node:os';
import type { Row } from './scenarios.ts';

export function median(all: number[]): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;
}

export function renderRows(rows: Row[]): string {
  const lines = [
    '| what | unit | engine | median | min | n | ratio to berth |',
    '|---|---|---|---|---|---|---|',
  ];
  for (const { what, unit, figures, note } of rows) {
    const first = [...figures.values()][0] ?? [];
    for (const [name, all] of figures) {
      const ratio = median(all) / median(first);
      lines.push(
        `| ${what}${note ? ` (${note})` : ''} | ${unit} | ${name} | ${round(median(all))} | ${round(Math.min(...all))} | ${all.length} | ${ratio.toFixed(2)} |`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function renderReport(
  rows: Row[],
  facts: { command: string; load: number[]; missing: string[] },
): string {
  const missing = facts.missing.length > 0 ? ` Not there: ${facts.missing.join('; ')}.` : '';
  return `# The engine beside its peers

\`${facts.command}\`

${cpus().length} x ${cpus()[0]?.model.replace(/ Processor.*/, '')}, Linux ${release()}, Node ${process.version}. dockerd is Debian's with a containerd of its own, in a
network namespace. Measurements of the engines are interleaved; medians. Load average before and after: ${facts.load.map((one) => one.toFixed(1)).join(', ')}
(other work on the machine makes every figure larger; the ratios stand).${missing}

${renderRows(rows)}`;
}
