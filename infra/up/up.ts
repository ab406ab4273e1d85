// `berth up`: pre-flight, lock, supervisor, and the words for the user; in the foreground, or detached with `--detach`.
// A second `up` of the same data folder says that it runs already and where.
import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger, type Logger } from '@berth/kit/logging.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import { callerEnvironment, type Platform } from './config.ts';
import { ensureKeyFile } from './key-file.ts';
import { lastLines, openLog } from './log-file.ts';
import { preflight } from './preflight.ts';
import { isAlive } from './processes.ts';
import { saveLogin } from './save-login.ts';
import { showError } from './show-error.ts';
import { ensureStackImage } from './stack-image.ts';
import { stopApps } from './stop-apps.ts';
import { Supervisor } from './supervisor.ts';
import {
  askStatus,
  lockPlatform,
  type PlatformStatus,
  type StopRequest,
  serveSupervisor,
} from './supervisor-server.ts';

/** First start on a slow disk: initdb, migrations and seven processes. Past it something is wrong and is said. */
const readyLimitMs = 120_000;

/** Runs the platform until it is told to stop. `withStack` false: whoever started us detached makes the stack image, on the terminal. */
export async function upForeground(platform: Platform, withStack: boolean): Promise<void> {
  const running = await askStatus(platform);
  if (running) return sayRunning(running);
  await preflight(platform);
  const lock = await lockPlatform(platform);
  if (!lock)
    throw new AppError('conflict', `another start or stop of "${platform.dataDir}" is going on`, {
      hint: 'try again in a moment',
    });
  for (const folder of [platform.runDir, platform.dataDir])
    mkdirSync(folder, { recursive: true, mode: 0o711 });
  mkdirSync(platform.logDir, { recursive: true, mode: 0o750 });
  ensureKeyFile(platform.dataDir);
  const startedAt = performance.now();
  const stopped = await runSupervisor(platform, () => {
    saveLogin(platform);
    // Builds wait for it and say so; what runs already needs no stack image, so the start does not wait.
    if (withStack) void ensureStackImage(platform).catch(showError);
    process.stdout.write(
      `-----> platform ready in ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n${urls(platform)}`,
    );
  });
  lock.close();
  process.stdout.write(`       stopped ${stopped.length} things\n`);
  process.exit(0);
}

/** Starts everything and resolves with what was stopped, after a signal or a request on the socket. */
async function runSupervisor(platform: Platform, onReady: () => void): Promise<string[]> {
  const log = createLogger('supervisor');
  const supervisor = new Supervisor(platform, log);
  let state: PlatformStatus['state'] = 'starting';
  const ended = Promise.withResolvers<string[]>();
  let stopping: Promise<string[]> | undefined;
  const stop = (request: StopRequest) => {
    state = 'stopping';
    stopping ??= stopAll(platform, supervisor, request, log);
    // The answer to `down` must have left before the process ends.
    void stopping.then((stopped) => setTimeout(() => ended.resolve(stopped), 50), ended.reject);
    return stopping;
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => void stop({ withApps: false }));
  const status = (): PlatformStatus => ({
    state,
    pid: process.pid,
    appsUrl: appsUrl(platform),
    apiUrl: platform.apiUrl,
    dataDir: platform.dataDir,
    parts: supervisor.status(),
  });
  const server = await serveSupervisor(platform, status, stop);
  void supervisor.start().then(() => {
    if (state !== 'starting') return;
    state = 'ready';
    onReady();
  }, ended.reject);
  const stopped = await ended.promise;
  server.close();
  return stopped;
}

async function stopAll(
  platform: Platform,
  supervisor: Supervisor,
  { withApps }: StopRequest,
  log: Logger,
): Promise<string[]> {
  const parts = supervisor.status().filter(({ pid }) => pid !== null);
  await supervisor.stopControlPlane();
  const engineServes = parts.some(({ name, state }) => name === 'engine' && state === 'ready');
  const apps = withApps && engineServes ? await stopAppsOrSay(platform, log) : [];
  await supervisor.stopRest();
  return [...apps.map((name) => `container ${name}`), ...parts.map(({ name }) => name)];
}

/** An engine that fails must not keep the rest from stopping; `down` ends what is left by its cgroup. */
async function stopAppsOrSay(platform: Platform, log: Logger): Promise<string[]> {
  try {
    return await stopApps(platform);
  } catch (err) {
    log.error({ err }, 'apps could not be stopped through the engine');
    return [];
  }
}

/** Starts a supervisor of its own session and returns when everything serves. */
export async function upDetached(platform: Platform): Promise<void> {
  const running = await askStatus(platform);
  if (running) {
    sayRunning(running);
    return ensureStackImage(platform); // it may have failed the first time, without a network
  }
  await preflight(platform); // here too, so that its words reach the terminal
  const logPath = join(platform.logDir, 'supervisor.log');
  const log = openLog(logPath);
  const child = startCommand(
    [process.execPath, '--title=berth-supervisor', join(import.meta.dirname, 'main.ts'), 'up', '--no-stack'],
    {
      cwd: '/',
      env: callerEnvironment(),
      stdio: ['ignore', log, log],
      detached: true,
    },
  );
  closeSync(log);
  child.unref();
  const startedAt = performance.now();
  for (;;) {
    const status = await askStatus(platform);
    if (status?.state === 'ready') break;
    if (child.pid === undefined || !isAlive(child.pid))
      throw new AppError('internal', 'the supervisor ended while starting', {
        detail: lastLines(logPath).join('\n'),
      });
    if (performance.now() - startedAt > readyLimitMs) throw notReady(status);
    await sleep(50);
  }
  process.stdout.write(
    `-----> platform ready in ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n${urls(platform)}`,
  );
  await ensureStackImage(platform);
}

function notReady(status: PlatformStatus | undefined): AppError {
  const waiting = (status?.parts ?? []).filter(({ state }) => state !== 'ready' && state !== 'stopped');
  const names = waiting.map(({ name }) => `"${name}"`).join(', ');
  return new AppError(
    'timeout',
    `not ready after ${readyLimitMs / 1000} s: ${names || 'the supervisor does not answer'}`,
    {
      detail: waiting.flatMap(({ lastLines: lines }) => lines).join('\n'),
      hint: 'it goes on trying; `npm run status` shows how it stands, `npm run down` ends it',
    },
  );
}

function sayRunning(status: PlatformStatus): void {
  process.stdout.write(`       already running (pid ${status.pid}, ${status.state})\n`);
  process.stdout.write(`       apps   ${status.appsUrl}\n       API    ${status.apiUrl}\n`);
}

function appsUrl(platform: Platform): string {
  return `http://NAME.${platform.domain}:${platform.httpPort}`;
}

function urls(platform: Platform): string {
  return `       apps   ${appsUrl(platform)}\n       API    ${platform.apiUrl}\n       data   ${platform.dataDir}\n`;
}
