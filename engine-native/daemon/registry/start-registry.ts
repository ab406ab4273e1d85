// Starts the registry beside the engine, on the engine's blob store. Imported by engine.ts only when it is switched on.
// Must never serve plain HTTP to other machines unless it was told to.
import { readFileSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { BlobStore } from '../content/blob-store.ts';
import { AccountFile } from './account-file.ts';
import { Authority } from './authority.ts';
import { type EngineImageParts, EngineImages } from './engine-images.ts';
import { ProxyCache, type PullThrough } from './proxy-cache.ts';
import type { RegistryConfig } from './registry-config.ts';
import { RegistryServer, type TlsFiles } from './registry-server.ts';
import { RepositoryStore } from './repository-store.ts';
import { SigningKey } from './signing-key.ts';
import { noProxy, noUpstream, type ProxiedRepositories } from './upstream.ts';

const upkeepMs = 3_600_000;
const staleUploadMs = 24 * 3_600_000; // a client that sleeps over night may go on in the morning

export interface RegistryStartParts {
  root: string;
  blobs: BlobStore;
  log: Logger;
  engineImages?: EngineImageParts;
  /** Asked before content comes; without it only the disk is the limit. */
  makeRoom?: (bytes: number) => Promise<void>;
  /** Needed where other registries are proxied. */
  pullThrough?: PullThrough;
}

export interface RunningRegistry {
  port: number;
  close(): void;
}

export async function startRegistry(
  config: RegistryConfig,
  parts: RegistryStartParts,
): Promise<RunningRegistry> {
  const { root, blobs, log } = parts;
  checkExposure(config);
  const tls = readTls(config);
  const key = SigningKey.load(root);
  const authority = new Authority({
    key,
    accounts: new AccountFile(root),
    anonymous: config.anonymous,
    isTls: tls !== undefined,
    publicUrl: config.publicUrl,
  });
  const repositories = new RepositoryStore(root);
  const upstream = parts.engineImages ? new EngineImages(parts.engineImages) : noUpstream;
  const proxy = makeProxy(config, repositories, parts);
  const { makeRoom = async () => {} } = parts;
  const server = new RegistryServer(
    { blobs, repositories, key, upstream, proxy, makeRoom },
    authority,
    log,
    tls,
  );
  const port = await listen(server, config);
  const upkeep = setInterval(() => {
    const renewed = readTls(config);
    if (renewed) server.renewTls(renewed);
    Promise.all([blobs.removeStaleUploads(staleUploadMs), proxy.upkeep()]).catch((err: unknown) =>
      log.warn({ err }, 'old uploads or cached images stay'),
    );
  }, upkeepMs).unref();
  log.info({ host: config.host, port, tls: tls !== undefined }, 'registry ready');
  return {
    port,
    close() {
      clearInterval(upkeep);
      server.close();
    },
  };
}

function makeProxy(
  { proxied }: RegistryConfig,
  repositories: RepositoryStore,
  { pullThrough, log }: RegistryStartParts,
): ProxiedRepositories {
  if (proxied.length === 0 || !pullThrough) return noProxy;
  return new ProxyCache({ proxied, pullThrough, repositories, log });
}

async function listen(server: RegistryServer, { host, port }: RegistryConfig): Promise<number> {
  try {
    return await server.listen(host, port);
  } catch (cause) {
    throw new AppError('unavailable', `the registry cannot listen on "${host}:${port}"`, {
      detail: cause instanceof Error ? cause.message : String(cause),
      hint: 'free the port or set BERTH_ENGINE_REGISTRY to another',
      cause,
    });
  }
}

function checkExposure({ host, cert, key, isInsecureAllowed, anonymous }: RegistryConfig): void {
  const isLoopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host);
  if ((cert === undefined) !== (key === undefined))
    throw new AppError('invalid', 'the registry needs both its certificate and its key', {
      hint: 'set BERTH_ENGINE_REGISTRY_CERT and BERTH_ENGINE_REGISTRY_KEY',
    });
  if (isLoopback) return;
  if (cert === undefined && !isInsecureAllowed)
    throw new AppError('invalid', `the registry would serve "${host}" without TLS, passwords in the clear`, {
      hint: 'give it a certificate and a key, or set BERTH_ENGINE_REGISTRY_PLAIN=yes',
    });
  if (anonymous === 'all')
    throw new AppError('invalid', `anybody who reaches "${host}" could push to the registry`, {
      hint: 'let BERTH_ENGINE_REGISTRY_ANONYMOUS be "pull" or "none", or listen on 127.0.0.1',
    });
}

function readTls({ cert, key }: RegistryConfig): TlsFiles | undefined {
  if (cert === undefined || key === undefined) return undefined;
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
