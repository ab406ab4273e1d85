// Does a build slow the requests of an app beside it? The same moderate load through the router, with and without a build that uses every core
// and the disk, in turn. Used by run.ts.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { makeApp, serverFiles, type TestApp } from '../../helpers/app.ts';
import type { TestPlatform } from '../../helpers/platform.ts';
import { median } from '../engine/report.ts';

const perSecond = 200;
const seconds = 5;
const buildSeconds = 9;

/** Busy on four threads, more than the machine has cores, and writes and hashes files meanwhile. */
const heavy = `const { Worker, isMainThread } = require('node:worker_threads');
const { writeFileSync, mkdirSync } = require('node:fs');
const { createHash } = require('node:crypto');
const end = Date.now() + ${buildSeconds * 1000};
if (isMainThread) {
  for (let i = 0; i < 4; i++) new Worker(__filename);
  console.log('the build is busy');
  mkdirSync('dist', { recursive: true });
  let n = 0;
  const write = () => {
    writeFileSync('dist/file' + (n++ % 50), Buffer.alloc(4 << 20, n));
    if (Date.now() < end) setTimeout(write, 20);
  };
  write();
} else while (Date.now() < end) createHash('sha256').update(Buffer.alloc(1 << 20)).digest();
`;

interface Latencies {
  p50: number;
  p99: number;
  p999: number;
}

export async function besideTraffic(platform: TestPlatform, rounds: number): Promise<string> {
  const served = await makeApp(platform, 'served', serverFiles('1'));
  const first = await served.push();
  if (first.exitCode !== 0) throw new Error(first.output);
  const files = serverFiles('1');
  const manifest = JSON.parse(files['package.json'] ?? '') as object;
  const built = await makeApp(platform, 'built', {
    ...files,
    'package.json': JSON.stringify({
      ...manifest,
      scripts: { start: 'node server.js', build: 'node heavy.js' },
    }),
    'heavy.js': heavy,
  });
  await askFor(platform, 2); // connections, and the router's compiled code
  const alone: Latencies[] = [];
  const beside: Latencies[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await askFor(platform, seconds));
    beside.push(await whileItBuilds(platform, built, round));
  }
  return render(alone, beside);
}

async function whileItBuilds(platform: TestPlatform, app: TestApp, round: number): Promise<Latencies> {
  await app.commit({ 'heavy.js': `${heavy}// ${round}\n` });
  const pushing = app.push();
  await untilBusy(app, round + 1);
  const latencies = await askFor(platform, seconds);
  const pushed = await pushing;
  if (pushed.exitCode !== 0) throw new Error(pushed.output);
  return latencies;
}

/** Until the build's own output says so: what is measured shall lie within it. */
async function untilBusy(app: TestApp, build: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { stdout } = await app.berth('builds:output', String(build));
    if (stdout.includes('the build is busy')) return;
    await sleep(50);
  }
  throw new Error('the build did not begin');
}

async function askFor(platform: TestPlatform, duration: number): Promise<Latencies> {
  const client = join(import.meta.dirname, 'traffic-client.ts');
  const args = [platform.httpPort, 'served', perSecond, duration].map(String);
  const { stdout } = await runCommandOk([process.execPath, '--no-warnings', client, ...args], {
    timeoutMs: 120_000,
  });
  const { latencies, failed } = JSON.parse(stdout.toString('utf8')) as {
    latencies: number[];
    failed: number;
  };
  if (failed > 0) throw new Error(`${failed} requests failed`);
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

function render(alone: readonly Latencies[], beside: readonly Latencies[]): string {
  const lines = (['p50', 'p99', 'p999'] as const).map((name) => {
    const [without, within] = [alone, beside].map((all) => median(all.map((one) => one[name])));
    return `| ${name} | ${without?.toFixed(2)} | ${within?.toFixed(2)} | ${((within ?? 0) / (without ?? 1)).toFixed(2)} |`;
  });
  return `| a served request, ms (${perSecond} a second, ${seconds} s, median of ${alone.length}) | no build | beside a build on every core | ratio |
|---|--:|--:|--:|
${lines.join('\n')}
`;
}
