// The engines that are compared: ours, and Debian's dockerd with a containerd of its own, each in folders of its own, with the same image.
// Must leave nothing behind: dockerd lives in network and mount namespaces that end with it.
import type { ChildProcess } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { runCommand, runCommandOk, startCommand } from '@berth/kit/run-command.ts';
import { makeTar } from '../../engine/make-tar.ts';
import { Api } from './api.ts';

const repository = resolve(import.meta.dirname, '../../..');
const readyLimitMs = 30_000; // dockerd's first start on a slow disk

export const image = 'bench';
const berthRun = '/run/berth-bench';

export interface Engine {
  name: string;
  api: Api;
  /** Processes that run whether there are containers or not. */
  daemonPids(): number[];
  /** The processes that come with each running container, without its own. */
  shimPids(): number[];
  docker(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A root filesystem of one static program under three names. */
export async function makeRootfs(work: string): Promise<Buffer> {
  const guest = join(work, 'guest');
  await runCommandOk(['cc', '-static', '-O2', '-o', guest, join(import.meta.dirname, 'guest.c')]);
  const content = readFileSync(guest);
  return makeTar([
    ...['bin/', 'etc/', 'tmp/', 'proc/', 'sys/', 'dev/'].map((name) => ({ name, type: '5', mode: 0o755 })),
    { name: 'etc/passwd', content: 'root:x:0:0::/:/bin/sleep\n' },
    ...['true', 'sleep', 'fill'].map((name) => ({ name: `bin/${name}`, mode: 0o755, content })),
  ]);
}

interface Started {
  name: string;
  child: ChildProcess;
  folder: string;
  socket: string;
  isShim: (command: string) => boolean;
}

function engineOf({ name, child, folder, socket, isShim }: Started): Engine {
  const api = new Api(socket);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_BUILDKIT: '0',
  };
  const isOurs = (pid: number) => readProc(pid, 'cmdline').includes(folder) || holdsFileBelow(pid, folder);
  return {
    name,
    api,
    daemonPids: () => processTree(child.pid ?? 0).filter((pid) => !isShim(commandOf(pid))),
    shimPids: () => allPids().filter((pid) => isShim(commandOf(pid)) && isOurs(pid)),
    docker: async (...args) =>
      (await runCommandOk(['docker', ...args], { env, timeoutMs: 300_000 })).stdout.toString('utf8').trim(),
    stop: async () => {
      api.close();
      await stopChild(child);
      await sleep(200); // containerd and the shims unmount on their own time
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
      if (name === 'berth') rmSync(berthRun, { recursive: true, force: true });
    },
  };
}

export async function startBerth(work: string, rootfs: Buffer): Promise<Engine> {
  const folder = join(work, 'berth');
  mkdirSync(folder);
  // A binary of its own, as on a host that runs nothing else: this benchmark's Node must not share its memory.
  copyFileSync(process.execPath, join(folder, 'node'));
  const socket = join(folder, 'engine.sock');
  // The first start compiles and keeps what it compiled; what is measured is every later one.
  const first = launchBerth(folder, socket);
  await untilReady(first, new Api(socket));
  await stopChild(first);
  const child = launchBerth(folder, socket);
  const isShim = (line: string) => line.startsWith('berth-shim');
  const engine = engineOf({ name: 'berth', child, folder, socket, isShim });
  await untilReady(child, engine.api);
  const client = new EngineClient(socket);
  const layer = await client.makeLayer(Readable.from([rootfs]), { mtime: 0 });
  const config = { architecture: 'amd64', os: 'linux', config: {} };
  await client.makeImage({ config, layers: [layer.diffId], tags: [image] });
  client.close();
  return engine;
}

function launchBerth(folder: string, socket: string): ChildProcess {
  const main = join(repository, 'engine-native/daemon/main.ts');
  const flags = ['--max-semi-space-size=1', '--optimize-for-size'];
  return startCommand([join(folder, 'node'), ...flags, main], {
    env: {
      PATH: process.env['PATH'],
      BERTH_ENGINE_SOCKET: socket,
      BERTH_ENGINE_ROOT: join(folder, 'root'),
      BERTH_ENGINE_RUN: berthRun,
      BERTH_ENGINE_NAME: 'bench',
      BERTH_LOG_LEVEL: 'error',
      NODE_COMPILE_CACHE: join(folder, 'compile-cache'),
      MALLOC_ARENA_MAX: '2',
      UV_THREADPOOL_SIZE: '2',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await ended;
}

/**
 * A sentence when it is not installed. On the `host` network there is no bridge and no rule: containers must be on the host's network too, and
 * reach what the machine reaches.
 */
export async function startDockerd(
  work: string,
  rootfs: Buffer,
  network: 'own' | 'host' = 'own',
): Promise<Engine | string> {
  const dockerd = '/usr/sbin/dockerd';
  if (!existsSync(dockerd)) return 'docker.io is not installed (apt-get install docker.io)';
  const folder = join(work, 'docker');
  mkdirSync(folder);
  const socket = join(folder, 'docker.sock');
  const config = join(folder, 'daemon.json');
  writeFileSync(config, '{}');
  // Its bridge and its netfilter rules live and die with a network namespace of its own.
  const isOwn = network === 'own';
  const child = startCommand(
    [
      'unshare',
      ...(isOwn ? ['--net'] : []),
      '--mount',
      'sh',
      '-c',
      'ip link set lo up; exec "$@"',
      'sh',
      dockerd,
      ...(isOwn ? [] : ['--bridge', 'none', '--iptables=false', '--ip-forward=false']),
      '--config-file',
      config,
      '--data-root',
      join(folder, 'data'),
      '--exec-root',
      join(folder, 'exec'),
      '-H',
      `unix://${socket}`,
      '--pidfile',
      join(folder, 'pid'),
      '--log-level',
      'error',
    ],
    { env: { PATH: process.env['PATH'] }, stdio: 'ignore' },
  );
  const engine = engineOf({
    name: 'docker',
    child,
    folder,
    socket,
    isShim: (line) => line.includes('containerd-shim'),
  });
  await untilReady(child, engine.api);
  const tar = join(folder, 'rootfs.tar');
  writeFileSync(tar, rootfs);
  await engine.docker('import', tar, image);
  return engine;
}

async function untilReady(child: ChildProcess, api: Api): Promise<void> {
  const deadline = Date.now() + readyLimitMs;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the engine ended with code ${child.exitCode}`);
    try {
      await api.ask('GET', '/version');
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error(`the engine did not answer in ${readyLimitMs} ms`);
}

export async function isInstalled(program: string): Promise<boolean> {
  return (await runCommand(['which', program])).exitCode === 0;
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function commandOf(pid: number): string {
  return readProc(pid, 'cmdline').replaceAll('\0', ' ');
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Shims of ours name no folder on their command line; their log file tells whose they are. */
function holdsFileBelow(pid: number, folder: string): boolean {
  try {
    const descriptors = `/proc/${pid}/fd`;
    return readdirSync(descriptors).some((fd) => readlinkSync(join(descriptors, fd)).startsWith(folder));
  } catch {
    return false;
  }
}

export function processTree(pid: number): number[] {
  const children = readProc(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

export function pssBytes(pids: number[]): number {
  const kilobytes = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readProc(pid, 'smaps_rollup'))?.[1] ?? 0));
  return kilobytes.reduce((sum, one) => sum + one, 0) * 1024;
}
