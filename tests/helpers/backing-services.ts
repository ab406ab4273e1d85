// PostgreSQL and Redis of a test's own, and a real controller on top of them, with a client for each of its two doors.
// Used by tests that need the control plane but no engine. Everything lives in one temporary folder and ends with stop().
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpClient } from '@berth/clients/http-client.ts';
import type { Platform } from '@berth/infra/up/config.ts';
import { ensureKeyFile } from '@berth/infra/up/key-file.ts';
import { postgresPlan, postgresUrl } from '@berth/infra/up/postgres.ts';
import { redisPlan, redisUrl } from '@berth/infra/up/redis.ts';
import { SupervisedPart } from '@berth/infra/up/supervise-part.ts';
import { createLogger } from '@berth/kit/logging.ts';

const root = new URL('../..', import.meta.url).pathname;

export interface Backing {
  platform: Platform;
  databaseUrl: string;
  redisUrl: string;
  stop(): Promise<void>;
}

/** A platform description of its own in a temporary folder; nothing is started. */
export function temporaryPlatform(apiPort: number): Platform {
  const dataDir = mkdtempSync(join(tmpdir(), 'berth-test-'));
  const id = dataDir.slice(-6).toLowerCase();
  const runDir = join(dataDir, 'run');
  for (const folder of ['log', 'keys', 'run'])
    mkdirSync(join(dataDir, folder), { recursive: true, mode: 0o711 });
  chmodSync(dataDir, 0o711); // mkdtemp makes 0700; the database's user must be able to pass through
  return {
    id,
    engineName: `b${id}`,
    dataDir,
    runDir,
    logDir: join(dataDir, 'log'),
    partsDir: root,
    domain: 'localhost',
    httpHost: '127.0.0.1',
    httpPort: 8080,
    apiPort,
    databaseUrl: '',
    redisUrl: '',
    supervisorSocket: join(runDir, 'supervisor.sock'),
    engineSocket: join(runDir, 'engine.sock'),
    apiUrl: `http://127.0.0.1:${apiPort}`,
  };
}

export async function startBacking(apiPort: number): Promise<Backing> {
  const platform = temporaryPlatform(apiPort);
  const log = createLogger('test', 'error');
  const postgres = new SupervisedPart(postgresPlan(platform), log);
  const redis = new SupervisedPart(redisPlan(platform), log);
  await Promise.all([postgres.start(), redis.start()]);
  ensureKeyFile(platform.dataDir);
  return {
    platform,
    databaseUrl: postgresUrl(platform),
    redisUrl: redisUrl(platform),
    stop: async () => {
      await Promise.all([postgres.stop(), redis.stop()]);
      rmSync(platform.dataDir, { recursive: true, force: true });
    },
  };
}

export interface RunningController {
  internal: HttpClient;
  /** Sends as the given user, the first admin by default. */
  api(token?: string): HttpClient;
  adminToken: string;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export async function startController(
  backing: Backing,
  extraEnv: Record<string, string> = {},
): Promise<RunningController> {
  const { platform } = backing;
  const socket = join(platform.runDir, 'controller.sock');
  const child = spawn(join(root, 'node_modules/.bin/node'), [join(root, 'apps/controller/main.ts')], {
    env: {
      PATH: process.env['PATH'],
      BERTH_DATA: platform.dataDir,
      BERTH_RUN: platform.runDir,
      BERTH_API_PORT: String(platform.apiPort),
      BERTH_PUBLIC_API_URL: platform.apiUrl,
      BERTH_CONTROLLER_SOCKET: socket,
      BERTH_GIT_SOCKET: join(platform.runDir, 'git.sock'),
      BERTH_ENGINE_SOCKET: platform.engineSocket,
      BERTH_ROUTER_SOCKET: join(platform.runDir, 'router.sock'),
      BERTH_KEY_FILE: join(platform.dataDir, 'keys/config.key'),
      DATABASE_URL: backing.databaseUrl,
      REDIS_URL: backing.redisUrl,
      BERTH_LOG_LEVEL: 'warn',
      ...extraEnv,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await untilListens(child, platform.apiPort);
  const clients: HttpClient[] = [];
  const client = (target: ConstructorParameters<typeof HttpClient>[0]) => {
    const made = new HttpClient(target);
    clients.push(made);
    return made;
  };
  const adminToken = readFileSync(join(platform.dataDir, 'admin-token'), 'utf8').trim();
  return {
    internal: client({ socketPath: socket, name: 'the controller' }),
    adminToken,
    api: (token = adminToken) =>
      client({ baseUrl: platform.apiUrl, name: 'the API', headers: { authorization: `Bearer ${token}` } }),
    kill: async (signal) => {
      for (const each of clients) each.close();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((done) => child.once('exit', done));
      child.kill(signal);
      await ended;
    },
  };
}

async function untilListens(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the controller ended with code ${child.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error('the controller did not listen in 30 s');
}
