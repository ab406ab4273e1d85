// Starts a whole platform for a test, beside any other on this machine: its own data folder, ports, home and run folder.
// Every test that starts one must `await platform.down()`, which fails when anything is left on the machine.
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunResult, runCommand } from '@berth/kit/run-command.ts';

export const repository = join(import.meta.dirname, '../..');
const supervisorMain = join(repository, 'infra/up/main.ts');
/** First start: initdb, migrations, seven processes on two busy cores. */
const upLimitMs = 150_000;
const downLimitMs = 200_000;

export interface PlatformOptions {
  /** More variables for the platform; BERTH_PARTS replaces the parts by fakes. */
  env?: Record<string, string>;
}

export interface PartReport {
  name: string;
  state: string;
  pid: number | null;
  restarts: number;
  lastLines: string[];
}

export interface TestPlatform {
  dataDir: string;
  /** Sockets and pid files; named after the data folder, so it exists only once that does. */
  runDir(): string;
  /** HOME of the CLI and of git: holds the login of the admin. */
  home: string;
  apiUrl: string;
  apiPort: number;
  httpPort: number;
  /** The environment for CLI, git and supervisor commands of this platform. */
  env: Record<string, string>;
  appUrl(app: string): string;
  /** The admin's token, as the controller wrote it. */
  token(): string;
  /** Starts it (again); resolves when every part serves. */
  up(): Promise<RunResult>;
  status(): Promise<{ state: string; pid: number; parts: PartReport[] }>;
  pidOf(part: string): Promise<number>;
  /** SIGKILL to one part, or to the supervisor. */
  kill(part: string): Promise<void>;
  /** Runs `berth …`. */
  berth(args: readonly string[], options?: { cwd?: string; timeoutMs?: number }): Promise<RunResult>;
  /** Stops all of it without deleting the data. */
  stop(): Promise<RunResult>;
  /** Stops all of it, deletes the data, and throws when anything is left. */
  down(): Promise<void>;
}

export async function startPlatform(options: PlatformOptions = {}): Promise<TestPlatform> {
  const platform = await makePlatform(options);
  const result = await platform.up();
  if (result.exitCode === 0) return platform;
  await platform.down().catch(() => {}); // the reason why it did not start is what the test must show
  throw new Error(`the platform did not start:\n${result.stdout.toString('utf8')}${result.stderr}`);
}

/** The same, not started yet. */
export async function makePlatform(options: PlatformOptions = {}): Promise<TestPlatform> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-test-'));
  chmodSync(folder, 0o711); // the database's user walks through it
  const dataDir = join(folder, 'data');
  const home = join(folder, 'home');
  mkdirSync(home);
  const [httpPort, apiPort] = [await freePort(), await freePort()];
  const env = platformEnvironment({ dataDir, home, httpPort, apiPort }, options.env ?? {});
  const supervise = (args: string[], timeoutMs: number) =>
    runCommand([process.execPath, supervisorMain, ...args], { env, cwd: repository, timeoutMs });
  const status = async () => {
    const { stdout } = await supervise(['status', '--json'], 10_000);
    return JSON.parse(stdout.toString('utf8')) as Awaited<ReturnType<TestPlatform['status']>>;
  };
  const pidOf = async (part: string) => {
    const now = await status();
    const pid = part === 'supervisor' ? now.pid : now.parts.find(({ name }) => name === part)?.pid;
    if (!pid) throw new Error(`the part "${part}" does not run`);
    return pid;
  };
  return {
    dataDir,
    runDir: () =>
      `/run/berth-${createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 6)}`,
    home,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    apiPort,
    httpPort,
    env,
    appUrl: (app) => `http://${app}.localhost:${httpPort}`,
    token: () => readFileSync(join(dataDir, 'admin-token'), 'utf8').trim(),
    up: () => supervise(['up', '--detach'], upLimitMs),
    status,
    pidOf,
    kill: async (part) => void process.kill(await pidOf(part), 'SIGKILL'),
    berth: (args, { cwd = home, timeoutMs = 60_000 } = {}) =>
      runCommand([join(repository, 'node_modules/.bin/berth'), ...args], { env, cwd, timeoutMs }),
    stop: () => supervise(['down'], downLimitMs),
    down: async () => {
      const result = await supervise(['down', '--data', '--yes'], downLimitMs);
      rmSync(folder, { recursive: true, force: true });
      if (result.exitCode !== 0)
        throw new Error(`down failed:\n${result.stdout.toString('utf8')}${result.stderr}`);
    },
  };
}

interface Places {
  dataDir: string;
  home: string;
  httpPort: number;
  apiPort: number;
}

function platformEnvironment(places: Places, more: Record<string, string>): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BERTH_') && name !== 'NODE_OPTIONS',
  );
  const inherited = Object.fromEntries(
    kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  return {
    ...(inherited as Record<string, string>),
    HOME: places.home,
    BERTH_DATA: places.dataDir,
    BERTH_HTTP_PORT: String(places.httpPort),
    BERTH_API_PORT: String(places.apiPort),
    // git must neither ask on a terminal nor read the machine's own settings.
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Tester',
    GIT_AUTHOR_EMAIL: 'tester@example.test',
    GIT_COMMITTER_NAME: 'Tester',
    GIT_COMMITTER_EMAIL: 'tester@example.test',
    ...more,
  };
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}
