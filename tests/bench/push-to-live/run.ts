// From `git push` with a one-line change to the first 200 of the new release, beside the app's own boot time and beside docker build + run.
// One round is: push, boot, docker; rounds are interleaved so that a drifting machine drifts for all. Prints a table of medians.
// `npm run bench:push-to-live`; needs root. Not part of the tests: it measures, it does not judge.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { makeApp } from '../../helpers/app.ts';
import { freePort, repository, startPlatform } from '../../helpers/platform.ts';
import { untilServed } from '../until-served.ts';
import { startDocker } from './docker-peer.ts';

const rounds = Number(process.argv[2] ?? 10);
const fixture = join(repository, 'tests/fixtures/apps/express');
const node = join(repository, `node_modules/node-linux-${process.arch}/bin/node`);
const files = readdirSync(fixture).filter((name) => name !== 'node_modules');

const source = (version: string) =>
  readFileSync(join(fixture, 'server.js'), 'utf8')
    .replace("'hello from express\\n'", 'process.env.VERSION')
    .replace(/^/, `process.env.VERSION = '${version}';\n`);

interface Round {
  push: number;
  exit: number;
  boot: number;
  docker: number | null;
}

async function main(): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'berth-bench-'));
  const platform = await startPlatform();
  let docker: Awaited<ReturnType<typeof startDocker>> = 'not started';
  try {
    const content = Object.fromEntries(
      files.map((name) => [name, readFileSync(join(fixture, name), 'utf8')]),
    );
    const app = await makeApp(platform, 'bench', { ...content, 'server.js': source('warm-up') });
    const first = await app.push();
    if (first.exitCode !== 0) throw new Error(first.output);
    const local = join(work, 'app');
    cpSync(fixture, local, { recursive: true });
    await runCommandOk(['npm', 'ci', '--omit=dev', '--ignore-scripts'], {
      cwd: local,
      env: { ...process.env } as Record<string, string>,
      timeoutMs: 120_000,
    });
    docker = await startDocker(work, findRootfs(platform.dataDir), node);
    const dockerPort = await freePort();
    if (typeof docker !== 'string') await dockerRound(docker, local, dockerPort, 'warm-up');
    const results: Round[] = [];
    for (let i = 0; i <= rounds; i++) {
      const version = `v-${i}-${Date.now()}`;
      await app.commit({ 'server.js': source(version) });
      const round: Round = {
        ...(await pushRound(platform.httpPort, app, version)),
        boot: await bootRound(local, version, await freePort()),
        docker: typeof docker === 'string' ? null : await dockerRound(docker, local, dockerPort, version),
      };
      if (i > 0) results.push(round); // the first round warms caches
    }
    report(results, typeof docker === 'string' ? docker : undefined);
  } finally {
    if (typeof docker !== 'string') await docker.stop();
    await platform.down();
    rmSync(work, { recursive: true, force: true });
  }
}

async function pushRound(port: number, app: Awaited<ReturnType<typeof makeApp>>, version: string) {
  const start = performance.now();
  const pushing = app.push();
  const push = await untilServed(port, 'bench.localhost', version, start);
  const done = await pushing;
  if (done.exitCode !== 0) throw new Error(done.output);
  return { push, exit: done.ms };
}

/** The app alone: the same Node, the same files, no container: from spawn to its first answer. */
async function bootRound(folder: string, version: string, port: number): Promise<number> {
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(folder, 'server.js'), source(version));
  const start = performance.now();
  const child = spawn(node, ['server.js'], {
    cwd: folder,
    env: { PORT: String(port), NODE_ENV: 'production' },
    stdio: 'ignore',
  });
  const ms = await untilServed(port, 'localhost', version, start);
  child.kill('SIGKILL');
  return ms;
}

async function dockerRound(
  docker: Exclude<Awaited<ReturnType<typeof startDocker>>, string>,
  folder: string,
  port: number,
  version: string,
): Promise<number> {
  const { writeFileSync } = await import('node:fs');
  writeFileSync(
    join(folder, 'Dockerfile'),
    'FROM node:24\nWORKDIR /app\nCOPY node_modules node_modules\nCOPY package.json server.js ./\nENV NODE_ENV=production\nCMD ["node","server.js"]\n',
  );
  writeFileSync(join(folder, 'server.js'), source(version));
  const start = performance.now();
  await docker.buildAndRun(folder, port);
  return untilServed(port, 'localhost', version, start);
}

function findRootfs(dataDir: string): string {
  for (const folder of [join(dataDir, 'stacks'), '/var/cache/berth']) {
    try {
      const name = readdirSync(folder).find((file) => file.endsWith('.tar'));
      if (name) return join(folder, name);
    } catch {
      // not kept here
    }
  }
  throw new Error('the tar of the stack image is not kept');
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function report(results: Round[], missing: string | undefined): void {
  const boot = median(results.map((round) => round.boot));
  const rows: [string, number[]][] = [
    ['git push → first 200 of the new release', results.map((round) => round.push)],
    ['git push → git has returned', results.map((round) => round.exit)],
    ["the app's own boot", results.map((round) => round.boot)],
  ];
  const docker = results.flatMap((round) => (round.docker === null ? [] : [round.docker]));
  if (docker.length > 0) rows.push(['docker build + run → first 200', docker]);
  console.log(
    `\n| median of ${results.length} | ms | min | max | above the boot, ms | × boot |\n|---|--:|--:|--:|--:|--:|`,
  );
  for (const [name, values] of rows) {
    const mid = median(values);
    console.log(
      `| ${name} | ${mid.toFixed(0)} | ${Math.min(...values).toFixed(0)} | ${Math.max(...values).toFixed(0)} | ${(mid - boot).toFixed(0)} | ${(mid / boot).toFixed(2)} |`,
    );
  }
  if (missing) console.log(`\nDocker was not measured: ${missing}`);
}

await main();
