// The parts of the platform as data: where each lives, what it waits for, how much memory its heap may take, and the environment all share.
// Read by the supervisor. The names of the variables are the contract between the parts.
import { join } from 'node:path';
import { compileCache, type Platform } from './config.ts';

export interface Part {
  name: string;
  main: string;
  /** Limit of the old generation in MB: a part that leaks dies and is restarted before the machine suffers. */
  heapMb: number;
  /** 0 starts with PostgreSQL and Redis, 1 after them and the engine, 2 after the controller. */
  stage: 0 | 1 | 2;
}

export const parts: readonly Part[] = [
  { name: 'engine', main: 'engine-native/daemon/main.ts', heapMb: 256, stage: 0 },
  { name: 'controller', main: 'apps/controller/main.ts', heapMb: 256, stage: 1 },
  { name: 'host-agent', main: 'apps/host-agent/main.ts', heapMb: 128, stage: 2 },
  { name: 'router', main: 'router/main.ts', heapMb: 512, stage: 2 },
  { name: 'scheduler', main: 'scheduler/main.ts', heapMb: 128, stage: 2 },
  { name: 'builder', main: 'builder/main.ts', heapMb: 256, stage: 2 },
  { name: 'git-receiver', main: 'apps/git-receiver/main.ts', heapMb: 128, stage: 2 },
];

/** The flags of each part's Node. Small semi-spaces and no speculative code cost a little speed and save tens of MB over all parts. */
export function nodeFlags(part: Part): string[] {
  const flags = [
    `--title=berth-${part.name}`,
    `--max-old-space-size=${part.heapMb}`,
    '--disable-warning=ExperimentalWarning',
  ];
  // The router's garbage is short-lived buffers and heads: a bigger nursery keeps them from being copied.
  if (part.name === 'router') return [...flags, '--max-semi-space-size=4'];
  return [...flags, '--max-semi-space-size=1', '--optimize-for-size'];
}

/** What every part is told. Where the databases are is told apart from it: their URLs are known only once they run. */
export function partEnvironment(platform: Platform): Record<string, string> {
  const { dataDir, runDir } = platform;
  return {
    BERTH_DATA: dataDir,
    BERTH_RUN: runDir,
    BERTH_INSTANCE: platform.id,
    BERTH_DOMAIN: platform.domain,
    BERTH_HTTP_PORT: String(platform.httpPort),
    BERTH_API_PORT: String(platform.apiPort),
    BERTH_PUBLIC_API_URL: platform.apiUrl,
    BERTH_CONTROLLER_SOCKET: join(runDir, 'controller.sock'),
    BERTH_GIT_SOCKET: join(runDir, 'git-receiver.sock'),
    BERTH_ENGINE_SOCKET: platform.engineSocket,
    BERTH_ENGINE_ROOT: join(dataDir, 'engine'),
    BERTH_ENGINE_RUN: join(runDir, 'engine'),
    BERTH_ENGINE_NAME: platform.engineName,
    BERTH_ROUTER_SOCKET: join(runDir, 'router.sock'),
    BERTH_ROUTER_SNAPSHOT: join(dataDir, 'router/table.json'),
    BERTH_ROUTER_LOG: join(platform.logDir, 'requests.log'),
    BERTH_KEY_FILE: join(dataDir, 'keys/config.key'),
    // Compiled code, kept between starts: a start costs a quarter, and no part loads the type stripper (20 MB each).
    NODE_COMPILE_CACHE: compileCache,
    // glibc's per-thread arenas keep freed memory of threads that never allocate again.
    MALLOC_ARENA_MAX: '2',
    // Name look-ups and file reads share these threads; four stacks and arenas a part are more than it uses.
    UV_THREADPOOL_SIZE: '2',
  };
}

/** Only the parts that keep facts are told where they are kept. */
export const partsWithDatabase: readonly string[] = ['controller'];
export const partsWithRedis: readonly string[] = ['controller', 'builder', 'scheduler'];
