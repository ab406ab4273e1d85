// Wake-ups inside the controller: "something about X has changed". A bell carries no facts; whoever hears it reads the rows again.
// Losing a ring would cost time, so waiting always has a limit too.

export class Bells {
  readonly #listeners = new Map<string, Set<() => void>>();

  ring(topic: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener();
  }

  /** Calls `listener` at each ring until the returned function is called. */
  listen(topic: string, listener: () => void): () => void {
    const set = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0) this.#listeners.delete(topic);
    };
  }

  /** A waiter that misses no ring between two waits. */
  watch(topic: string): Watch {
    let rung = false;
    let wake: (() => void) | undefined;
    const close = this.listen(topic, () => {
      rung = true;
      wake?.();
    });
    const wait = async (limitMs: number, signal?: AbortSignal) => {
      if (!rung && !signal?.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, limitMs);
        signal?.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        clearTimeout(timer);
      }
      wake = undefined;
      rung = false;
    };
    return { wait, close };
  }

  /** How many listen to a topic now. */
  count(topic: string): number {
    return this.#listeners.get(topic)?.size ?? 0;
  }
}

export interface Watch {
  /** Resolves at the next ring (at once when one came since the last wait), after limitMs, or on abort. */
  wait(limitMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}
