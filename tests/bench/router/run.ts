// The router beside Debian's nginx and haproxy: one core for the proxy, 1,000 hosts, interleaved rounds, medians. Run by hand:
//   node_modules/.bin/node tests/bench/router/run.ts [--seconds 4] [--rounds 3] [--write]
// Needs nginx, haproxy, wrk, taskset and gcc (apt-get install nginx-light haproxy wrk gcc). --write replaces RESULTS.md.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { runCommand, runCommandOk, startCommand } from '@berth/kit/run-command.ts';
import { type Contender, contenders, type Setup } from './contenders.ts';
import { busySeconds, processorSeconds, processTree, pssBytes, runLoad } from './measure.ts';
import { type Cell, renderReport } from './report.ts';
import { openWebSockets } from './websockets.ts';

const firstPort = 18_120;
const backendPorts = [18_110, 18_111];
const proxyCore = 0;
const loadCore = 1;
const webSockets = 1000;
/** Other processes may use this much of the proxy's core during a run; above it the run is repeated. */
const noiseCores = 0.2;
const mostRepeats = 2;

export interface Scenario {
  name: string;
  connections: number;
  path: string;
  closes: boolean;
}

const scenarios: Scenario[] = [
  { name: '64 keep-alive connections', connections: 64, path: '/', closes: false },
  { name: '8 keep-alive connections', connections: 8, path: '/', closes: false },
  { name: '1 MiB bodies, 8 connections', connections: 8, path: '/big', closes: false },
  { name: 'a new connection for each request, 64 at once', connections: 64, path: '/', closes: true },
];

interface Running {
  contender: Contender;
  child: ChildProcess;
  port: number;
}

async function requireTools(): Promise<void> {
  const missing: string[] = [];
  for (const tool of ['nginx', 'haproxy', 'wrk', 'taskset', 'gcc'])
    if ((await runCommand(['which', tool])).exitCode !== 0) missing.push(tool);
  if (missing.length > 0)
    throw new AppError('unavailable', `not installed: ${missing.join(', ')}`, {
      hint: 'apt-get install nginx-light haproxy wrk util-linux gcc',
    });
  if (availableParallelism() < 2) throw new AppError('unavailable', 'the benchmark needs two cores');
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const socket = connect({ host: '127.0.0.1', port });
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new AppError('timeout', `nothing listens on port ${port} after 10 s`);
}

/** One run of one contender in one scenario, repeated while the machine is noisy. */
async function measure(running: Running, scenario: Scenario, seconds: number): Promise<Cell> {
  const script = fileURLToPath(new URL('./requests.lua', import.meta.url));
  const url = `http://127.0.0.1:${running.port}${scenario.path}`;
  process.env['BENCH_PATH'] = scenario.path;
  if (scenario.closes) process.env['BENCH_CLOSE'] = '1';
  else delete process.env['BENCH_CLOSE'];
  for (let repeat = 0; ; repeat++) {
    const pids = processTree(running.child.pid ?? 0);
    const before = { proxy: processorSeconds(pids), busy: busySeconds(proxyCore), at: performance.now() };
    const load = { connections: scenario.connections, seconds, script, url, core: loadCore };
    const result = await runLoad(load);
    const elapsed = (performance.now() - before.at) / 1000;
    const proxy = processorSeconds(pids) - before.proxy;
    const noise = (busySeconds(proxyCore) - before.busy - proxy) / elapsed;
    if (noise > noiseCores && repeat < mostRepeats) {
      process.stderr.write(`  noisy (${noise.toFixed(2)} cores), again\n`);
      await sleep(500);
      continue;
    }
    return {
      contender: running.contender.name,
      scenario: scenario.name,
      perSecond: result.perSecond,
      cpuUs: (proxy / Math.max(1, result.requests)) * 1e6,
      p50Us: result.p50Us,
      p99Us: result.p99Us,
      errors: result.errors,
      loadedBytes: pssBytes(processTree(running.child.pid ?? 0)),
      noise: Math.max(0, noise),
    };
  }
}

async function measureWebSockets(
  running: Running,
): Promise<{ contender: string; bytes: number; idle: number }> {
  const pids = () => processTree(running.child.pid ?? 0);
  const idle = pssBytes(pids());
  const sockets = await openWebSockets(running.port, webSockets);
  await sleep(500);
  const bytes = (pssBytes(pids()) - idle) / webSockets;
  for (const socket of sockets) socket.destroy();
  await sleep(300);
  return { contender: running.contender.name, bytes, idle };
}

/** Starts the backends, then the proxies; `children` holds whatever was started, also when this fails. */
async function startAll(setup: Setup, children: ChildProcess[]): Promise<Running[]> {
  const binary = join(setup.folder, 'backend');
  const source = fileURLToPath(new URL('./backend.c', import.meta.url));
  await runCommandOk(['gcc', '-O2', '-o', binary, source]);
  const backends = backendPorts.map((port) =>
    startCommand(['taskset', '-c', String(loadCore), binary, String(port)], { stdio: 'inherit' }),
  );
  children.push(...backends);
  for (const port of backendPorts) await untilListening(port);
  for (const contender of contenders) await contender.prepare?.(setup);
  const running = contenders.map((contender, i) => ({
    contender,
    port: firstPort + i,
    child: contender.start(setup, firstPort + i),
  }));
  children.push(...running.map(({ child }) => child));
  for (const { port } of running) await untilListening(port);
  return running;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      write: { type: 'boolean', default: false },
    },
  });
  await requireTools();
  const folder = mkdtempSync(join(tmpdir(), 'berth-router-bench-'));
  const setup: Setup = { folder, core: proxyCore, backends: backendPorts, hosts: 1000 };
  const children: ChildProcess[] = [];
  try {
    const running = await startAll(setup, children);
    const memory = [];
    for (const one of running) memory.push(await measureWebSockets(one));
    // Compiled code and filled pools are the steady state; the first second is not.
    for (const one of running) await measure(one, scenarios[0] as Scenario, 1);
    const cells: Cell[] = [];
    for (let round = 0; round < Number(values.rounds); round++)
      for (const scenario of scenarios.filter(({ name }) => name.startsWith(values.only)))
        for (const one of round % 2 === 0 ? running : running.toReversed()) {
          const cell = await measure(one, scenario, Number(values.seconds));
          const facts = `${cell.perSecond.toFixed(0)} rps, ${cell.cpuUs.toFixed(1)} us, p50 ${cell.p50Us} us`;
          process.stderr.write(`round ${round + 1}: ${scenario.name}: ${cell.contender}: ${facts}\n`);
          cells.push(cell);
        }
    const report = renderReport(cells, memory, {
      seconds: Number(values.seconds),
      rounds: Number(values.rounds),
      machine: `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node ${process.version}`,
    });
    process.stdout.write(report);
    if (values.write) writeFileSync(new URL('./RESULTS.md', import.meta.url), report);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await sleep(500);
    rmSync(folder, { recursive: true });
  }
}

main().catch((error: unknown) => {
  const { message, hint, detail } = asAppError(error);
  process.stderr.write(`bench: ${[message, detail, hint].filter(Boolean).join('\n  ')}\n`);
  process.exitCode = 1;
});
