// Follows the engine's events and tells who waits for a container's end. Events are hints for speed; a re-read each few seconds is the truth,
// so that a lost event or a restarted engine costs seconds and nothing else.
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ContainerState } from '@berth/clients/engine-types.ts';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';

export type ContainerEnd = ContainerState | 'gone';

export interface EngineWatchOptions {
  engine: Pick<EngineClient, 'events' | 'inspectContainer'>;
  log: Logger;
  signal: AbortSignal;
  reReadMs?: number;
}

const reconnect = { firstMs: 20, maxMs: 1_000 };
const defaultReReadMs = 10_000;

export class EngineWatch {
  readonly #options: EngineWatchOptions;
  readonly #waiters = new Map<string, () => void>();
  readonly #onStart = new Set<(containerId: string) => void>();

  constructor(options: EngineWatchOptions) {
    this.#options = options;
  }

  /** Resolves when the container does not run any more; undefined when the signal aborts first. */
  async waitEnd(containerId: string, signal: AbortSignal): Promise<ContainerEnd | undefined> {
    const { engine, reReadMs = defaultReReadMs } = this.#options;
    let wake = () => {};
    let isPoked = false;
    const poke = () => {
      isPoked = true;
      wake();
    };
    this.#waiters.set(containerId, poke);
    signal.addEventListener('abort', poke);
    try {
      while (!signal.aborted) {
        if (!isPoked) {
          const timer = setTimeout(poke, reReadMs);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          clearTimeout(timer);
        }
        isPoked = false;
        if (signal.aborted) return undefined;
        const end = await readEnd(engine, containerId);
        if (end) return end;
      }
      return undefined;
    } finally {
      signal.removeEventListener('abort', poke);
      if (this.#waiters.get(containerId) === poke) this.#waiters.delete(containerId);
    }
  }

  /** Calls back with each container that starts; gives the function that ends it. */
  onContainerStart(listener: (containerId: string) => void): () => void {
    this.#onStart.add(listener);
    return () => this.#onStart.delete(listener);
  }

  async run(): Promise<void> {
    const { engine, log, signal } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        for await (const event of engine.events({ filters: { type: ['container'] }, signal })) {
          attempt = 0;
          this.#dispatch(event.Action, event.Actor.ID);
        }
      } catch (err) {
        if (!signal.aborted) log.debug({ err }, 'event stream of the engine broke');
      }
      if (signal.aborted) return;
      await sleep(backoffDelay(attempt, reconnect), undefined, { signal }).catch(() => {});
      for (const poke of this.#waiters.values()) poke();
    }
  }

  #dispatch(action: string, containerId: string): void {
    if (action === 'start') for (const listener of this.#onStart) listener(containerId);
    else if (action === 'die' || action === 'destroy' || action === 'oom') this.#waiters.get(containerId)?.();
  }
}

/** How the container ended, or undefined while it runs or the engine is away. */
async function readEnd(
  engine: Pick<EngineClient, 'inspectContainer'>,
  containerId: string,
): Promise<ContainerEnd | undefined> {
  try {
    const { State: state } = await engine.inspectContainer(containerId);
    const isAlive = state.Running || state.Status === 'created' || state.Status === 'restarting';
    return isAlive ? undefined : state;
  } catch (error) {
    return error instanceof AppError && error.code === 'not_found' ? 'gone' : undefined;
  }
}
