// The engine daemon's settings, read once at boot by main.ts. The only file of the daemon that reads the environment.
import { resolve } from 'node:path';
import { integer, readConfig, text } from '@berth/kit/config.ts';
import { parseSize } from './containers/parse-size.ts';
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
  /** undefined: no registry is served. */
  registry: RegistryConfig | undefined;
}

function engineName(raw: string): string {
  // Bridge names are `<name>-<4 hex>` and Linux allows 15 characters.
  if (!/^[a-z][a-z0-9]{0,7}$/.test(raw)) throw new Error('must be 1 to 8 of a-z and 0-9, a letter first');
  return raw;
}

export function readEngineConfig(env?: Record<string, string | undefined>): EngineConfig {
  const values = readConfig(
    {
      BERTH_ENGINE_SOCKET: text('unix socket the Docker Engine API is served on'),
      BERTH_ENGINE_ROOT: text('folder for layers, images and containers'),
      BERTH_ENGINE_RUN: text('folder below /run for sockets and exit records'),
      BERTH_ENGINE_NATIVE: text(
        'folder with berth-shim and berth-engine-helper',
        resolve(import.meta.dirname, '../runtime/build'),
      ),
      BERTH_ENGINE_NAME: { about: 'short instance id such as b1a2b3', parse: engineName },
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
      ...registrySettings,
      BERTH_LOG_LEVEL: text('pino level', 'info'),
    },
    env,
  );
  return {
    socketPath: values.BERTH_ENGINE_SOCKET,
    root: resolve(values.BERTH_ENGINE_ROOT),
    run: resolve(values.BERTH_ENGINE_RUN),
    nativeDir: resolve(values.BERTH_ENGINE_NATIVE),
    name: values.BERTH_ENGINE_NAME,
    pool: values.BERTH_ENGINE_POOL,
    logLevel: values.BERTH_LOG_LEVEL,
    images: {
      registriesFile: values.BERTH_ENGINE_REGISTRIES,
      quotaBytes: values.BERTH_ENGINE_DISK_QUOTA,
      graceMs: values.BERTH_ENGINE_STORE_GRACE * 1000,
    },
    registry: registryConfig(values),
  };
}
