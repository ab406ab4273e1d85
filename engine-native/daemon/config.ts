// The engine daemon's settings, read once at boot by `serve`. The only file of the daemon that reads the environment.
// Without any it is an engine that stands alone; the supervisor sets what makes it a part of a platform.
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { integer, readConfig, text } from '@berth/kit/config.ts';
import { type RemoteConfig, remoteConfig, remoteSettings } from './api/remote-config.ts';
import { parseSize } from './containers/parse-size.ts';
import { parseRuntimes, type RuntimeSettings } from './containers/runtimes.ts';
import type { ImageSettings } from './images/image-parts.ts';
import { type RegistryConfig, registryConfig, registrySettings } from './registry/registry-config.ts';

export interface EngineConfig {
  socketPath: string;
  /** What survives a reboot: layers, images, containers. */
  root: string;
  /** What dies with the boot: sockets, exit records. */
  run: string;
  /** Folder with berth-shim and berth-engine-helper. */
  nativeDir: string;
  /** Instance id: prefix of bridges, cgroups and the nft table, so that two engines can run side by side. */
  name: string;
  /** CIDR that networks are cut from, or `auto`. */
  pool: string;
  logLevel: string;
  images: ImageSettings;
  runtimes: RuntimeSettings;
  /** undefined: no registry is served. */
  registry: RegistryConfig | undefined;
  /** undefined: the API is served on the unix socket only. */
  remote: RemoteConfig | undefined;
}

function engineName(raw: string): string {
  // Bridge names are `<name>-<4 hex>` and Linux allows 15 characters.
  if (!/^[a-z][a-z0-9]{0,7}$/.test(raw)) throw new Error('must be 1 to 8 of a-z and 0-9, a letter first');
  return raw;
}

/** The same for the same folder, another for another: two engines never take each other's bridges. */
function ownName(root: string): string {
  return `e${createHash('sha256').update(root).digest('hex').slice(0, 6)}`;
}

/** `overrides`: variables that the command line sets. */
export function readEngineConfig(
  overrides: Record<string, string> = {},
  environment: Record<string, string | undefined> = process.env,
): EngineConfig {
  const values = readConfig(
    {
      BERTH_ENGINE_SOCKET: text('unix socket the Docker Engine API is served on', '/run/berth/engine.sock'),
      BERTH_ENGINE_ROOT: text('folder for layers, images and containers', '/var/lib/berth-engine'),
      BERTH_ENGINE_RUN: text('folder below /run for sockets and exit records', ''),
      BERTH_ENGINE_NATIVE: text(
        'folder with berth-shim and berth-engine-helper',
        resolve(import.meta.dirname, '../runtime/build'),
      ),
      BERTH_ENGINE_NAME: { about: 'short instance id such as b1a2b3', parse: engineName, fallback: '' },
      BERTH_ENGINE_POOL: text('cidr pool for networks, or "auto"', 'auto'),
      BERTH_ENGINE_REGISTRIES: text('JSON file about registries: mirrors, private CAs, plain HTTP', ''),
      BERTH_ENGINE_DISK_QUOTA: {
        about: 'how much images may take of the disk, such as 50g; no limit when not set',
        parse: (raw) => parseSize(raw, 'BERTH_ENGINE_DISK_QUOTA'),
        fallback: 0,
      },
      BERTH_ENGINE_STORE_GRACE: integer(
        'seconds for which layers and blobs that nothing names yet are left alone',
        0,
        604_800,
        3600,
      ),
      BERTH_ENGINE_RUNTIMES: {
        about: 'further OCI runtimes, such as runsc=/opt/bin/runsc,mine=/opt/bin/mine',
        parse: parseRuntimes,
        fallback: {},
      },
      ...registrySettings,
      ...remoteSettings,
      BERTH_LOG_LEVEL: text('pino level', 'info'),
    },
    { ...environment, ...overrides },
  );
  const root = resolve(values.BERTH_ENGINE_ROOT);
  const name = values.BERTH_ENGINE_NAME || ownName(root);
  return {
    socketPath: values.BERTH_ENGINE_SOCKET,
    root,
    run: resolve(values.BERTH_ENGINE_RUN || `/run/berth-engine-${name}`),
    nativeDir: resolve(values.BERTH_ENGINE_NATIVE),
    name,
    pool: values.BERTH_ENGINE_POOL,
    logLevel: values.BERTH_LOG_LEVEL,
    images: {
      registriesFile: values.BERTH_ENGINE_REGISTRIES,
      quotaBytes: values.BERTH_ENGINE_DISK_QUOTA,
      graceMs: values.BERTH_ENGINE_STORE_GRACE * 1000,
    },
    runtimes: { named: values.BERTH_ENGINE_RUNTIMES, searchPath: environment['PATH'] ?? '' },
    registry: registryConfig(values),
    remote: remoteConfig(values),
  };
}
