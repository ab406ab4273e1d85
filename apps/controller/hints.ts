// "App X may need work": told to whoever streams /internal/events. Facts are never in a hint; losing all of them costs time, never truth.
import type { Hint } from '@berth/contract/scheduling.ts';

export class Hints {
  readonly #listeners = new Set<(hint: Hint) => void>();

  app(appId: string): void {
    for (const listener of this.#listeners) listener({ kind: 'app', appId });
  }

  listen(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
