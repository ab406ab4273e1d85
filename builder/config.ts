// The builder's settings, read once at boot by main.ts. The only file of the builder that reads the environment.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { integer, readConfig, text } from '@berth/kit/config.ts';
import { AppError } from '@berth/kit/errors.ts';
import { readSourcesFile, type SourcesTable } from './sources-table.ts';

export interface BuildLimits {
  memoryBytes: number;
  /** Below an app's 1024: a build must not slow the apps beside it. */
  cpuShares: number;
  pids: number;
  diskBytes: number;
  timeMs: number;
  logBytes: number;
}

export interface BuilderConfig {
  dataDir: string;
  /** What runtimes were made from, checked each time it is used; shared by the platforms of a machine. */
  downloadsDir: string;
  /** Archives of stack images, shared likewise. */
  stacksDir: string;
  controllerSocket: string;
  engineSocket: string;
  redisUrl: string;
  worker: string;
  concurrency: number;
  limits: BuildLimits;
  /** Folders of the host that buildpacks and mirrors of repositories may lie in; builds of every app can read them. */
  buildpackFolders: readonly string[];
  /** Beginnings of git URLs and what takes their place in builds. */
  gitInsteadOf: Readonly<Record<string, string>>;
  /** Quota of all apps' caches of package managers. */
  cacheBytes: number;
  /** npm's own folder when it is found neither among our packages nor beside the machine's Node; '' = look for it. */
  npmDir: string;
  /** What the operator's sources table says. */
  sources: SourcesTable;
  logLevel: string;
  /** The machine's variables that builds get (sources.ts says which). */
  machineEnv: Readonly<Record<string, string | undefined>>;
}

/** Where an operator's table is looked for; one that is named must be there. */
const defaultSources = '/etc/berth/sources.toml';
const mib = 1024 * 1024;

export function readBuilderConfig(env: Record<string, string | undefined> = process.env): BuilderConfig {
  const values = readConfig(
    {
      BERTH_DATA: text("the platform's data folder"),
      BERTH_DOWNLOADS: text('folder of downloaded runtimes and packages', '/var/cache/berth/downloads'),
      BERTH_STACKS: text('folder of stack archives', '/var/cache/berth/stacks'),
      BERTH_CONTROLLER_SOCKET: text("the controller's unix socket"),
      BERTH_ENGINE_SOCKET: text("the engine's unix socket"),
      REDIS_URL: text('redis://… or unix:///…, the queue'),
      BERTH_INSTANCE: text('short id of this platform', 'berth'),
      BERTH_BUILD_CONCURRENCY: integer('builds at once', 1, 64, 2),
      BERTH_BUILD_MEMORY_MB: integer('memory of a build container in MB', 64, 1_048_576, 2048),
      BERTH_BUILD_DISK_MB: integer('what a build container may write in MB', 16, 1_048_576, 8192),
      BERTH_BUILD_PIDS: integer('processes of a build container', 16, 100_000, 4096),
      BERTH_BUILD_CPU_SHARES: integer('cpu weight of a build container; apps have 1024', 2, 262_144, 256),
      BERTH_BUILD_TIMEOUT_SECONDS: integer('time limit of a build', 1, 86_400, 900),
      BERTH_BUILD_CACHE_GB: integer('what the caches of all apps may take in GB', 0, 1_000_000, 20),
      BERTH_BUILD_LOG_KB: integer('output limit of a build in KB', 1, 1_048_576, 2048),
      BERTH_BUILDPACK_FOLDERS: text(
        'folders of the host that buildpacks may come from, separated by ":"',
        '',
      ),
      BERTH_GIT_INSTEAD_OF: text('mirrors of git URLs, "https://github.com/=https://mirror/" each', ''),
      BERTH_SOURCES: text('file of the sources table', defaultSources),
      BERTH_NPM_DIR: text("npm's folder", ''),
      BERTH_LOG_LEVEL: text('pino level', 'info'),
    },
    env,
  );
  const table = readSourcesFile(values.BERTH_SOURCES, values.BERTH_SOURCES !== defaultSources);
  const sources = { ...table, git: { ...table.git, ...mirrors(values.BERTH_GIT_INSTEAD_OF) } };
  return {
    dataDir: join(values.BERTH_DATA, 'builder'),
    downloadsDir: values.BERTH_DOWNLOADS,
    stacksDir: values.BERTH_STACKS,
    controllerSocket: values.BERTH_CONTROLLER_SOCKET,
    engineSocket: values.BERTH_ENGINE_SOCKET,
    redisUrl: values.REDIS_URL,
    worker: `builder-${values.BERTH_INSTANCE}-${hostname()}`,
    concurrency: values.BERTH_BUILD_CONCURRENCY,
    limits: {
      memoryBytes: values.BERTH_BUILD_MEMORY_MB * mib,
      diskBytes: values.BERTH_BUILD_DISK_MB * mib,
      pids: values.BERTH_BUILD_PIDS,
      cpuShares: values.BERTH_BUILD_CPU_SHARES,
      timeMs: values.BERTH_BUILD_TIMEOUT_SECONDS * 1000,
      logBytes: values.BERTH_BUILD_LOG_KB * 1024,
    },
    buildpackFolders: folders(values.BERTH_BUILDPACK_FOLDERS),
    gitInsteadOf: sources.git,
    sources,
    cacheBytes: values.BERTH_BUILD_CACHE_GB * 1024 * mib,
    npmDir: values.BERTH_NPM_DIR,
    logLevel: values.BERTH_LOG_LEVEL,
    machineEnv: env,
  };
}

function folders(list: string): string[] {
  const paths = list.split(':').filter((path) => path !== '');
  const wrong = paths.find((path) => !/^(\/[\w.@+-]+)+$/.test(path) || /\/\.\.?(\/|$)/.test(path));
  if (wrong !== undefined)
    throw new AppError('invalid', `BERTH_BUILDPACK_FOLDERS: "${wrong}" is not a plain absolute path`);
  return paths;
}

/** They end up in a file that git reads: nothing that would need quoting there. */
function mirrors(list: string): Record<string, string> {
  const pairs = list.split(/\s+/).filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const [, from, to] = /^([a-z]+:\/\/[\w.:/@~+-]*)=([a-z]+:\/\/[\w.:/~+-]*)$/.exec(pair) ?? [];
      if (from === undefined || to === undefined)
        throw new AppError('invalid', 'BERTH_GIT_INSTEAD_OF: an entry is not "URL=URL"', {
          hint: 'for example https://github.com/=https://git.example.org/github/',
        });
      return [from, to];
    }),
  );
}
