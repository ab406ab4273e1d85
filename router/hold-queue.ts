// Requests that wait for an instance: of an app that starts, or after all its targets refused. Woken by each new table.
// Must never hold more than the limit for one app; each request's own deadline is checked by the sweep.
import type { Exchange } from './exchange.ts';

export class HoldQueue {
  readonly #waiting = new Map<string, Set<Exchange>>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when too many wait for this app already. */
  add(app: string, exchange: Exchange): boolean {
    let queue = this.#waiting.get(app);
    if (!queue) {
      queue = new Set();
      this.#waiting.set(app, queue);
    }
    if (queue.size >= this.#limit && !queue.has(exchange)) return false;
    queue.add(exchange);
    return true;
  }

  remove(app: string, exchange: Exchange): void {
    const queue = this.#waiting.get(app);
    if (queue?.delete(exchange) && queue.size === 0) this.#waiting.delete(app);
  }

  get count(): number {
    let count = 0;
    for (const queue of this.#waiting.values()) count += queue.size;
    return count;
  }

  /** Lets every waiting request look at the table again, oldest first. */
  wake(again: (exchange: Exchange) => void): void {
    for (const queue of [...this.#waiting.values()]) for (const exchange of [...queue]) again(exchange);
  }
}
