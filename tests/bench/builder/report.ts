// The builder bench's tables, and what the aims say about them. Pure. Used by run.ts.
import { cpus, release } from 'node:os';
import { median } from '../engine/report.ts';
import { type Case, cases } from './sample.ts';

/** Milliseconds by contender, then by case. The first contender is ours. */
export type Figures = ReadonlyMap<string, ReadonlyMap<Case, readonly number[]>>;

export function renderFigures(figures: Figures): string {
  const lines = [
    `| median (least; n), ms | ${cases.join(' | ')} |`,
    `|---|${cases.map(() => '--:').join('|')}|`,
  ];
  const ours = [...figures.values()][0];
  for (const [name, byCase] of figures) {
    const cells = cases.map((what) => cell(byCase.get(what) ?? []));
    lines.push(`| ${name} | ${cells.join(' | ')} |`);
    if (byCase === ours) continue;
    const ratios = cases.map((what) => ratio(byCase.get(what) ?? [], ours?.get(what) ?? []));
    lines.push(`| … × Berth | ${ratios.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

function cell(all: readonly number[]): string {
  if (all.length === 0) return '–';
  return `${median([...all]).toFixed(0)} (${Math.min(...all).toFixed(0)}; ${all.length})`;
}

function ratio(all: readonly number[], ours: readonly number[]): string {
  return all.length === 0 || ours.length === 0 ? '' : (median([...all]) / median([...ours])).toFixed(2);
}

export function renderAims(figures: Figures, npm: string): string {
  const [ours] = figures.values();
  const of = (all: readonly number[] | undefined) => median([...(all ?? [])]);
  // Of pairs that were measured one after the other: a machine that drifts moves both.
  const peer = figures.get(npm)?.get('one dependency') ?? [];
  const added = of(ours?.get('one dependency')?.map((ms, index) => ms / (peer[index] ?? Number.NaN)));
  const rows: [string, number, number, string][] = [
    ['no change', of(ours?.get('no change')) / 1000, 0.15, 's'],
    ['one line', of(ours?.get('one line')) / 1000, 0.4, 's'],
    ['one dependency', added, 1.5, '× the package manager alone'],
  ];
  const lines = rows.map(
    ([what, is, aim, unit]) =>
      `| ${what} | ${is.toFixed(2)} ${unit} | ${aim} ${unit} | ${is < aim ? 'met' : 'missed'} |`,
  );
  return `| aim | is | shall be under | |\n|---|--:|--:|---|\n${lines.join('\n')}\n`;
}

export function renderReport(parts: readonly string[], facts: { load: number[]; missing: string[] }): string {
  const missing = facts.missing.map((reason) => `\nNot measured: ${reason}.\n`);
  return `# Builds beside their peers

\`npm run bench:builder -- --write\`, with BERTH_BENCH_HEROKU_NODEJS naming a folder with heroku-buildpack-nodejs

${cpus().length} × ${cpus()[0]?.model.replace(/ Processor.*/, '')}, Linux ${release()}, Node ${process.version}. Contenders are measured in turn, so that a machine that drifts drifts
for all. Load average before and after: ${facts.load.map((one) => one.toFixed(1)).join(', ')} (other work makes every figure larger).

The app is Express with 71 packages, its lockfile as npm writes it. Berth: from the job taken to the result reported, the engine real, the controller a fake that answers at once.
\`docker build\`: Debian's docker.io, its own cache, the same Debian, Node and npm as base, package files copied before \`npm ci\` and the rest after it.
Heroku's buildpack runs in our builder's containers with its own cache; it knows no build without a change and runs each time.
\`npm ci\` alone is on the host, warm cache but for the added package; "cold" has an empty cache, in a package manager's folder or in the image.
${missing.join('')}
${parts.join('\n')}`;
}
