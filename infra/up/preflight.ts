// What must be true before the platform starts: rights, ports, disk, and what the kernel offers. Called by `up`.
// Collects every problem, one line each that says what is wrong, so that a user mends them in one go.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { AppError, asAppError, systemCode } from '@berth/kit/errors.ts';
import { runCommand } from '@berth/kit/run-command.ts';
import type { Platform } from './config.ts';
import { portHolder } from './processes.ts';

const leastFreeBytes = 1024 ** 3;

export async function preflight(platform: Platform): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new AppError('forbidden', 'the platform needs root to run containers', { hint: 'use sudo' });
  const problems = [
    ...(await checkPorts(platform)),
    ...checkDataFolder(platform.dataDir),
    ...(await checkOverlay()),
    ...checkProcFiles(),
    ...(await checkKernelCalls()),
  ];
  if (problems.length > 0) throw new AppError('invalid', problems.join('\n'));
}

async function checkPorts(platform: Platform): Promise<string[]> {
  const wanted = [
    { port: platform.httpPort, variable: 'BERTH_HTTP_PORT', use: 'apps' },
    { port: platform.apiPort, variable: 'BERTH_API_PORT', use: 'the API' },
  ];
  if (platform.httpPort === platform.apiPort)
    return [
      `port ${platform.httpPort} is given both to apps and to the API; set BERTH_HTTP_PORT or BERTH_API_PORT`,
    ];
  const problems: string[] = [];
  for (const { port, variable, use } of wanted) {
    const code = await tryPort(port);
    if (code === 'EADDRINUSE')
      problems.push(
        `port ${port} for ${use} is taken by ${portHolder(port) ?? 'another process'}; set ${variable} to another`,
      );
    else if (code)
      problems.push(`port ${port} for ${use} cannot be opened (${code}); set ${variable} to another`);
  }
  return problems;
}

function tryPort(port: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const server = createServer();
  server.once('error', (error) => resolve(systemCode(error) ?? 'unknown'));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  return promise;
}

function checkDataFolder(dataDir: string): string[] {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    accessSync(dataDir, constants.W_OK);
  } catch (error) {
    return [
      `the data folder "${dataDir}" cannot be written (${asAppError(error).message}); set BERTH_DATA to another`,
    ];
  }
  const problems: string[] = [];
  const { bavail, bsize } = statfsSync(dataDir);
  if (bavail * bsize < leastFreeBytes)
    problems.push(
      `the disk of "${dataDir}" has ${Math.floor((bavail * bsize) / 1024 ** 2)} MB free; 1024 MB are needed`,
    );
  const closed = closedAncestor(dataDir);
  if (closed)
    problems.push(
      `the user "berth" cannot enter "${closed}", which holds the data folder; chmod o+x it or set BERTH_DATA`,
    );
  return problems;
}

/** The database runs as its own user and must be able to walk down to its folder. */
function closedAncestor(folder: string): string | undefined {
  for (let at = folder; at !== '/'; at = dirname(at)) if ((statSync(at).mode & 0o001) === 0) return at;
  return undefined;
}

/** A distribution's kernel has it as a module that nobody has asked for on a fresh machine: asking is part of the check. */
async function checkOverlay(): Promise<string[]> {
  const isThere = () => has('/proc/filesystems', /\boverlay$/m) || existsSync('/sys/module/overlay');
  if (isThere()) return [];
  const problem = await attempt(['modprobe', 'overlay'], 'the kernel has no overlayfs');
  return isThere() ? [] : [problem ?? 'the kernel has no overlayfs'];
}

function has(file: string, pattern: RegExp): boolean {
  return existsSync(file) && pattern.test(readFileSync(file, 'utf8'));
}

function checkProcFiles(): string[] {
  const problems: string[] = [];
  if (!existsSync('/proc/self/ns/user') || has('/proc/sys/user/max_user_namespaces', /^0$/m))
    problems.push('user namespaces are switched off; set sysctl user.max_user_namespaces to 10000');
  for (const controller of ['memory', 'cpu', 'pids']) {
    if (
      !has('/sys/fs/cgroup/cgroup.controllers', new RegExp(`\\b${controller}\\b`)) &&
      !isMountedV1(controller)
    )
      problems.push(`the cgroup controller "${controller}" is not mounted; limits cannot be kept`);
  }
  return problems;
}

function isMountedV1(controller: string): boolean {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .some((line) => {
      const [, , type, options] = line.split(' ');
      return type === 'cgroup' && options?.split(',').includes(controller);
    });
}

/** Tried in a network namespace that ends with the command, so that nothing is left whatever happens. */
async function checkKernelCalls(): Promise<string[]> {
  const attempts: { argv: [string, ...string[]]; problem: string }[] = [
    {
      argv: ['unshare', '-n', 'nft', 'add', 'table', 'inet', 'berth_probe'],
      problem: 'nftables does not work; run `modprobe nf_tables`',
    },
    {
      argv: ['unshare', '-n', 'ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', 'p1'],
      problem: 'the kernel makes no veth pairs; run `modprobe veth`',
    },
    {
      argv: ['unshare', '-n', 'ip', 'link', 'add', 'p0', 'type', 'bridge'],
      problem: 'the kernel makes no bridges; run `modprobe bridge`',
    },
  ];
  const results = await Promise.all(attempts.map(({ argv, problem }) => attempt(argv, problem)));
  return results.filter((line) => line !== undefined);
}

async function attempt(argv: [string, ...string[]], problem: string): Promise<string | undefined> {
  try {
    const result = await runCommand(argv, {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      timeoutMs: 10_000,
    });
    return result.exitCode === 0 ? undefined : `${problem} (${result.stderr.trim().split('\n')[0]})`;
  } catch (error) {
    return `${problem} (${asAppError(error).message})`;
  }
}
