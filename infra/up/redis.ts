// The platform's own Redis: on a unix socket, append-only file, nothing evicted. Called by the supervisor.
// Must never listen on TCP and never run as root. Losing its folder loses wake-ups, no facts.
import { chmodSync, chownSync, closeSync, mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { startCommand } from '@berth/kit/run-command.ts';
import type { Platform } from './config.ts';
import { lastLines, openLog } from './log-file.ts';
import { commandName, isAlive } from './processes.ts';
import type { PartPlan, Running } from './supervise-part.ts';
import { databaseUser } from './system-user.ts';

/** Loading the append-only file of a control plane takes well under a second; a minute means that it is broken. */
const readyLimitMs = 60_000;

/** ioredis takes the path of a unix socket where others take a URL. */
export function redisUrl(platform: Platform): string {
  return join(platform.runDir, 'redis/redis.sock');
}

export function redisPlan(platform: Platform): PartPlan {
  const logPath = join(platform.logDir, 'redis.log');
  return {
    name: 'redis',
    start: () => startRedis(platform, logPath),
    stopSignal: 'SIGTERM',
    stopLimitMs: 10_000,
    lastLines: () => lastLines(logPath),
  };
}

async function startRedis(platform: Platform, logPath: string): Promise<Running> {
  const user = databaseUser();
  const socketDir = join(platform.runDir, 'redis');
  const dataDir = join(platform.dataDir, 'redis');
  const pidFile = join(socketDir, 'redis.pid');
  for (const folder of [socketDir, dataDir]) {
    mkdirSync(folder, { recursive: true });
    chownSync(folder, user.uid, user.gid);
    chmodSync(folder, 0o700);
  }
  const adopted = livingRedis(pidFile);
  if (adopted) return { pid: adopted, ready: untilReady(platform, adopted) };
  const log = openLog(logPath);
  const child = startCommand(redisArguments(platform, dataDir, pidFile), {
    cwd: dataDir,
    env: { PATH: '/usr/bin:/bin' },
    uid: user.uid,
    gid: user.gid,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  if (child.pid === undefined)
    throw new AppError('internal', '"redis-server" cannot be started', {
      hint: 'install the package redis-server',
    });
  return { pid: child.pid, child, ready: untilReady(platform, child.pid) };
}

function redisArguments(platform: Platform, dataDir: string, pidFile: string): [string, ...string[]] {
  const settings = {
    port: '0',
    unixsocket: redisUrl(platform),
    unixsocketperm: '700',
    dir: dataDir,
    pidfile: pidFile,
    daemonize: 'no',
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
  };
  return ['redis-server', ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])];
}

function livingRedis(pidFile: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8').trim());
    return isAlive(pid) && commandName(pid).startsWith('redis-server') ? pid : undefined;
  } catch {
    return undefined; // no pid file: none runs
  }
}

async function untilReady(platform: Platform, pid: number): Promise<void> {
  const deadline = performance.now() + readyLimitMs;
  while (performance.now() < deadline) {
    if ((await ping(redisUrl(platform))) === '+PONG') return;
    if (!isAlive(pid)) throw new AppError('internal', 'redis ended while starting');
    await sleep(10);
  }
  throw new AppError('timeout', 'redis is not ready after 60 s');
}

/** The first line of the answer to an inline PING; it is `-LOADING …` while the file is read, empty when nobody answers. */
function ping(socketPath: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(socketPath);
  socket.setTimeout(1000, () => socket.destroy()); // a hung server must not hang the check
  socket.on('connect', () => socket.write('PING\r\n'));
  socket.on('data', (chunk: Buffer) => {
    resolve(chunk.toString('latin1').split('\r\n')[0] ?? '');
    socket.destroy();
  });
  socket.on('error', () => resolve(''));
  socket.on('close', () => resolve(''));
  return promise;
}
