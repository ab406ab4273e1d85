// The pull-through cache: a repository below a configured prefix stands for one of another registry. What is pulled is kept in a repository
// of that name, and served from there when the other registry is away. Called by the manifest routes, before they look.

import { asAppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { parseManifest } from './parse-manifest.ts';
import { RegistryError } from './registry-error.ts';
import { isTag } from './repository-name.ts';
import { type RepositoryStore, recordOf } from './repository-store.ts';
import type { ProxiedRepositories } from './upstream.ts';

const freshMs = 60_000; // how long a tag is believed: a fleet that pulls one tag at once asks the other registry once
const unusedMs = 30 * 24 * 3_600_000; // what nobody has pulled for a month is fetched again when somebody does
const maxChecks = 10_000;

export interface ProxiedRegistry {
  /** First part of our repositories' names: `hub` for `hub/library/busybox`. */
  prefix: string;
  /** `docker.io`, `registry.example.com:5000`. */
  host: string;
}

export interface FetchedManifest {
  mediaType: string;
  digest: string;
  text: string;
}

/** Brings a manifest and its blobs from another registry into the blob store; `not_found` when it has none. */
export type PullThrough = (host: string, repository: string, reference: string) => Promise<FetchedManifest>;

export interface ProxyParts {
  proxied: ProxiedRegistry[];
  pullThrough: PullThrough;
  repositories: RepositoryStore;
  log: Logger;
  now?: () => number;
}

export class ProxyCache implements ProxiedRepositories {
  readonly #parts: ProxyParts;
  readonly #now: () => number;
  /** When each tag was last compared with the other registry. */
  readonly #checked = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
  }

  isProxied(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  async refresh(name: string, reference: string): Promise<void> {
    const found = this.#find(name);
    if (!found) return;
    const key = `${name}:${reference}`;
    const running =
      this.#running.get(key) ??
      this.#refresh(found, name, reference).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async upkeep(): Promise<void> {
    const { repositories } = this.#parts;
    for (const name of await repositories.names())
      if (this.isProxied(name)) await repositories.removeUnused(name, this.#now() - unusedMs);
  }

  async #refresh(registry: ProxiedRegistry, name: string, reference: string): Promise<void> {
    const { repositories } = this.#parts;
    const digest = isTag(reference) ? await repositories.tag(name, reference) : reference;
    const isHere = digest !== undefined && (await repositories.touchManifest(name, digest));
    const isFresh = this.#now() - (this.#checked.get(`${name}:${reference}`) ?? 0) < freshMs;
    if (isHere && (isFresh || !isTag(reference))) return;
    const path = name.slice(registry.prefix.length + 1);
    try {
      await this.#take(name, reference, await this.#parts.pullThrough(registry.host, path, reference));
      this.#remember(`${name}:${reference}`);
    } catch (error) {
      await this.#missed(name, reference, isHere, error);
    }
  }

  async #take(name: string, reference: string, { mediaType, digest, text }: FetchedManifest): Promise<void> {
    const { repositories } = this.#parts;
    const parsed = parseManifest(Buffer.from(text), mediaType);
    for (const one of parsed.references) if (!one.isManifest) await repositories.linkBlob(name, one.digest);
    const record = recordOf(digest, Buffer.byteLength(text), parsed);
    await repositories.putManifest(name, record, isTag(reference) ? [reference] : []);
  }

  /** The other registry has it no more: neither have we. It cannot be asked: what is here is served. */
  async #missed(name: string, reference: string, isHere: boolean, error: unknown): Promise<void> {
    const { code, message } = asAppError(error);
    if (code === 'not_found') {
      if (isTag(reference)) await this.#parts.repositories.removeTag(name, reference);
      return;
    }
    this.#parts.log.warn(
      { repository: name, reference, err: error },
      'the registry behind this one does not answer',
    );
    if (isHere) return;
    throw new RegistryError(
      'MANIFEST_UNKNOWN',
      `"${name}:${reference}" is not here, and its registry: ${message}`,
      {
        status: 503,
      },
    );
  }

  #remember(key: string): void {
    this.#checked.delete(key);
    if (this.#checked.size >= maxChecks) this.#checked.delete(this.#checked.keys().next().value ?? '');
    this.#checked.set(key, this.#now());
  }

  #find(name: string): ProxiedRegistry | undefined {
    return this.#parts.proxied.find(({ prefix }) => name.startsWith(`${prefix}/`));
  }
}
