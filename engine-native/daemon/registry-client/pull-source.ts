// One repository as a pull sees it: its mirrors and then its registry, asked in turn until one has it. Used by pulls and the pull-through cache.
// Must never give a mirror the credentials of the registry it stands in for.
import { AppError } from '@berth/kit/errors.ts';
import { familiarName, familiarReference, type Reference } from '../images/references.ts';
import { anonymous, type Credentials } from './credentials.ts';
import { endpointsFor } from './endpoints.ts';
import type { Registries } from './registries-file.ts';
import { RegistryFailure } from './registry-failure.ts';
import { type FetchedManifest, type OpenedBlob, RegistryRepository } from './registry-repository.ts';

export class PullSource {
  readonly #repositories: RegistryRepository[];
  readonly #reference: Reference;
  /** The first one that is still worth asking. */
  #first = 0;

  constructor(
    reference: Reference,
    parts: { credentials: Credentials; registries: Registries; signal?: AbortSignal | undefined },
  ) {
    const registries = parts.registries.read();
    this.#reference = reference;
    this.#repositories = endpointsFor(reference, registries).map(
      (endpoint) =>
        new RegistryRepository(
          {
            endpoint,
            credentials: endpoint.isMirror ? anonymous : parts.credentials,
            registries,
            tokens: parts.registries.tokens,
            signal: parts.signal,
          },
          ['pull'],
        ),
    );
  }

  close(): void {
    for (const repository of this.#repositories) repository.close();
  }

  /** By tag or digest; the errors are Docker's. */
  async manifest(reference: string): Promise<FetchedManifest> {
    try {
      return await this.#ask((repository) => repository.manifest(reference));
    } catch (error) {
      throw pullFailure(error, this.#reference);
    }
  }

  openBlob(digest: string, offset: number): Promise<OpenedBlob> {
    return this.#ask((repository) => repository.openBlob(digest, offset));
  }

  async tags(): Promise<string[]> {
    try {
      return await this.#ask((repository) => repository.tags());
    } catch (error) {
      throw pullFailure(error, this.#reference);
    }
  }

  /** What it gave turned out wrong: the next one is asked from now on. False when there is none. */
  distrust(): boolean {
    if (this.#first + 1 >= this.#repositories.length) return false;
    this.#first += 1;
    return true;
  }

  async #ask<T>(question: (repository: RegistryRepository) => Promise<T>): Promise<T> {
    let failure: unknown = new AppError('internal', 'no registry to ask');
    for (const [index, repository] of this.#repositories.entries()) {
      if (index < this.#first) continue;
      try {
        const answer = await question(repository);
        this.#first = Math.max(this.#first, index);
        return answer;
      } catch (error) {
        failure = error; // the registry itself comes last: what it says counts
      }
    }
    throw failure;
  }
}

/** The sentences that users, scripts and the docker CLI look for. */
export function pullFailure(error: unknown, reference: Reference): unknown {
  if (!(error instanceof RegistryFailure)) return error;
  const { registryStatus, registryCode, message } = error;
  const name = familiarName(reference);
  const about = { status: registryStatus, registryCode, cause: error };
  if (registryCode === 'NAME_UNKNOWN')
    return new RegistryFailure('not_found', `repository ${name} not found: ${message}`, about);
  if (registryStatus === 404 || registryCode === 'MANIFEST_UNKNOWN')
    return new RegistryFailure(
      'not_found',
      `manifest for ${familiarReference(reference)} not found: ${message}`,
      about,
    );
  if (registryStatus === 401 || registryStatus === 403 || registryCode === 'DENIED')
    return new RegistryFailure(
      'not_found',
      `pull access denied for ${name}, repository does not exist or may require 'docker login': ${message}`,
      about,
    );
  return error;
}
