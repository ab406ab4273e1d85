// An image that a build needs by its name: what the engine has is taken, the rest is pulled. Called by build-with-lifecycle.ts and rebase-image.ts.
// Must never pass a login: the engine has its own.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';

export interface Fetch {
  /** "the builder", "the run image of the builder" */
  what: string;
  names: readonly string[];
  /** Asks the registry even when the image is there, for a newer one under the same name. */
  isAnew: boolean;
  signal: AbortSignal;
  onPull: (name: string) => void;
  onWarning: (text: string) => void;
}

type Engine = Pick<EngineClient, 'inspectImage' | 'pullImage'>;

/** The first of the names that can be had. */
export async function fetchImage(engine: Engine, fetch: Fetch): Promise<ImageDetail> {
  const { what, names, isAnew, signal } = fetch;
  for (const name of isAnew ? [] : names) {
    const present = await engine.inspectImage(name);
    if (present) return present;
  }
  let failure = '';
  for (const name of names) {
    try {
      fetch.onPull(name);
      await engine.pullImage(name, signal);
      const pulled = await engine.inspectImage(name);
      if (pulled) return pulled;
    } catch (error) {
      signal.throwIfAborted();
      failure ||= asAppError(error).message;
    }
  }
  for (const name of isAnew ? names : []) {
    const present = await engine.inspectImage(name);
    if (!present) continue;
    fetch.onWarning(`${what} "${name}" could not be pulled anew (${failure}): the one that is here is taken`);
    return present;
  }
  throw new AppError('build_failed', `${what} "${names[0] ?? ''}" cannot be pulled: ${failure}`, {
    hint: 'check the name; the operator can load or pull the image into the engine beforehand',
  });
}
