// The builder beside `docker build`, an unmodified Heroku Node.js buildpack and the package manager alone, in one run.
// By hand: `npm run bench:builder -- [--rounds 3] [--only builds,push,traffic,sizes] [--write]`. Needs root; what is missing is left out and named.
// --write replaces RESULTS.md. Not part of the tests: it measures, it does not judge.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openWorkbench, type Workbench } from '../../builder/workbench.ts';
import { startPlatform } from '../../helpers/platform.ts';
import { berth, herokuBuildpack } from './berth.ts';
import { besideTraffic } from './beside-traffic.ts';
import type { Contender } from './contender.ts';
import { dockerBuild } from './docker.ts';
import { checkBuildpack, herokuFiles } from './heroku-files.ts';
import { imageSizes } from './image-sizes.ts';
import { npmAlone, registryUrl } from './npm.ts';
import { renderAims, renderFigures, renderReport } from './report.ts';
import { type Case, cases, lockTo, maxAdded } from './sample.ts';
import { wholePush } from './whole-push.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'builds,sizes,push,traffic' },
    write: { type: 'boolean', default: false },
  },
});
/** Each adds two dependencies. */
const rounds = Math.min(Number(values.rounds), maxAdded / 2);
const only = values.only.split(',');

const work = mkdtempSync('/var/tmp/bench-builder-');
const herokuFolder = join(work, 'heroku');
const missing: string[] = [];
const parts: string[] = [];
const load = [loadavg()[0] ?? 0];
const begun = performance.now();

function show(text: string): void {
  parts.push(text);
  process.stdout.write(`\n${text}`);
}

async function openContenders(bench: Workbench): Promise<Contender[]> {
  const { platformNode: node, sources, config } = bench.shop;
  lockTo(await registryUrl(node));
  const contenders = [await berth(bench), await npmAlone(work, node, sources.env)];
  const docker = await dockerBuild(work, newestRunStack(config.stacksDir), { node, sources });
  if (typeof docker === 'string') missing.push(docker);
  else contenders.push(docker);
  const buildpack = process.env['BERTH_BENCH_HEROKU_NODEJS'] ?? '';
  const problem = checkBuildpack(buildpack);
  if (problem === undefined)
    contenders.push(await herokuBuildpack(bench, await herokuFiles(herokuFolder, buildpack, node)));
  else missing.push(`Heroku's buildpack (${problem})`);
  for (const reason of missing) process.stdout.write(`\n!!! not measured: ${reason}\n`);
  return contenders;
}

/** What our own stack is made from, for the base of docker's image. */
function newestRunStack(folder: string): string {
  const files = readdirSync(folder)
    .filter((name) => name.includes('-run-') && name.endsWith('.tar'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (files[0] === undefined) throw new Error(`no archive of the run stack in "${folder}"`);
  return files[0];
}

async function builds(bench: Workbench): Promise<void> {
  const contenders = await openContenders(bench);
  const figures = new Map(contenders.map(({ name }) => [name, new Map<Case, number[]>()]));
  try {
    for (let round = 0; round < rounds; round++) {
      const measured = contenders.filter(({ maxRounds = rounds }) => round < maxRounds);
      for (const what of cases)
        for (let repeat = 0; repeat < 5; repeat++)
          for (const contender of measured)
            if (repeat < contender.repeats(what)) await note(figures, contender, what);
    }
    show(renderFigures(figures));
    show(renderAims(figures, 'npm ci alone'));
  } finally {
    for (const contender of contenders) await contender.close();
  }
}

async function note(
  figures: Map<string, Map<Case, number[]>>,
  contender: Contender,
  what: Case,
): Promise<void> {
  const ms = await contender.measure(what);
  if (ms !== undefined) process.stderr.write(`${contender.name}, ${what}: ${ms.toFixed(0)} ms\n`);
  const byCase = figures.get(contender.name);
  if (ms !== undefined) byCase?.set(what, [...(byCase.get(what) ?? []), ms]);
}

async function wholePlatform(): Promise<void> {
  const platform = await startPlatform();
  try {
    if (only.includes('push')) show(await wholePush(platform, 5));
    if (only.includes('traffic')) show(await besideTraffic(platform, 3));
  } finally {
    await platform.down();
  }
}

try {
  mkdirSync(herokuFolder);
  if (only.includes('builds') || only.includes('sizes')) {
    const bench = await openWorkbench({ BERTH_BUILDPACK_FOLDERS: herokuFolder }, { name: 'bbp' });
    try {
      if (only.includes('builds')) await builds(bench);
      if (only.includes('sizes')) show(await imageSizes(bench));
    } finally {
      await bench.close();
    }
  }
  if (only.includes('push') || only.includes('traffic')) await wholePlatform();
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 20 });
}
load.push(loadavg()[0] ?? 0);
process.stdout.write(`\n${Math.round((performance.now() - begun) / 1000)} s\n`);
if (values.write)
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), renderReport(parts, { load, missing }));
