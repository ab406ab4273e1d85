// The engine beside Debian's dockerd, runc and crun, in one run. By hand: `npm run bench:engine -- [--rounds 20] [--only starts,memory] [--write]`.
// Needs root; peers that are not installed are left out and named. --write replaces RESULTS.md.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { asAppError } from '@berth/kit/errors.ts';
import { type Engine, isInstalled, makeRootfs, startBerth, startDockerd } from './engines.ts';
import { builds, copies, transfers } from './files.ts';
import { ociRuntimes } from './oci.ts';
import { registryTransfers } from './registries.ts';
import { renderReport, renderRows } from './report.ts';
import { memory, type Row, starts } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    only: { type: 'string', default: 'starts,memory,oci,builds,copies,registry' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const parts = values.only.split(',');
const work = mkdtempSync('/var/tmp/bench-engine-');
const rows: Row[] = [];
const load = [loadavg()[0] ?? 0];

/** A part that an engine cannot do is said, and the others go on. */
async function part(name: string, measure: () => Promise<Row[]>): Promise<void> {
  if (!parts.includes(name)) return;
  try {
    const measured = await measure();
    rows.push(...measured);
    process.stdout.write(renderRows(measured));
  } catch (error) {
    const { message, detail } = asAppError(error);
    process.stdout.write(`${name}: ${message} ${detail ?? ''}\n`);
    process.exitCode = 1;
  }
}

const registryPort = 5_777;

/** Debian's docker-registry in the network namespace of an engine. */
async function startRegistry(engine: Engine): Promise<ChildProcess> {
  const folder = join(work, `registry-${engine.name}`);
  mkdirSync(folder);
  const config = join(folder, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}}\nhttp: {addr: 127.0.0.1:${registryPort}}\n`,
  );
  const child = spawn(
    'nsenter',
    ['--net', `--target=${engine.daemonPids()[0]}`, 'docker-registry', 'serve', config],
    { stdio: 'ignore' },
  );
  await sleep(1_000); // it has no word for ready that can be asked for from another network namespace
  return child;
}

const engines: Engine[] = [];
const missing: string[] = [];
const registries: ChildProcess[] = [];
try {
  const rootfs = await makeRootfs(work);
  engines.push(await startBerth(work, rootfs));
  const docker = await startDockerd(work, rootfs);
  if (typeof docker === 'string') missing.push(docker);
  else engines.push(docker);
  await part('memory', () => memory(engines));
  await part('starts', () => starts(engines, rounds));
  await part('oci', async () => [await ociRuntimes(work, rootfs, rounds)].filter((row) => row !== undefined));
  await part('builds', () => builds(engines, work, rounds));
  await part('copies', async () => {
    const copied = await copies(engines, work);
    if (!(await isInstalled('docker-registry'))) {
      missing.push('docker-registry');
      return copied;
    }
    for (const engine of engines) registries.push(await startRegistry(engine));
    return [...copied, ...(await transfers(engines, () => `127.0.0.1:${registryPort}`))];
  });
  await part('registry', () => registryTransfers(work, Math.ceil(rounds / 4)));
} finally {
  for (const child of registries) child.kill('SIGTERM');
  for (const engine of engines) await engine.stop();
  rmSync(work, { recursive: true, force: true });
}
load.push(loadavg()[0] ?? 0);
if (values.write) {
  const command = `npm run bench:engine -- --rounds ${rounds} --write`;
  writeFileSync(join(import.meta.dirname, 'RESULTS.md'), renderReport(rows, { command, load, missing }));
}
