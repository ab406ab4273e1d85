// Which apps are dirty: one reconcile at a time for each app, many apps side by side, and wake-ups by time.
// Must never lose a dirty mark that comes while the app is being worked on.

export class AppQueue {
  readonly #work: (appId: string) => Promise<number | null>;
  readonly #limit: number;
  readonly #running = new Set<string>();
  readonly #waiting = new Set<string>();
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  #isClosed = false;

  /** `work` answers in how many milliseconds it wants to look again (null: not by itself); it must not throw. */
  constructor(work: (appId: string) => Promise<number | null>, limit = 16) {
    this.#work = work;
    this.#limit = limit;
  }

  /** Starts at once when the app is idle; no timer, no tick in between. */
  dirty(appId: string): void {
    if (this.#isClosed) return;
    this.#waiting.add(appId);
    this.#next();
  }

  /** Keeps the earlier of two wake-ups. */
  wakeIn(appId: string, ms: number): void {
    if (this.#isClosed) return;
    const at = performance.now() + ms;
    const known = this.#timers.get(appId);
    if (known && known.at <= at) return;
    if (known) clearTimeout(known.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(appId);
      this.dirty(appId);
    }, ms);
    this.#timers.set(appId, { timer, at });
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
  }

  #next(): void {
    for (const appId of this.#waiting) {
      if (this.#running.size >= this.#limit) return;
      if (this.#running.has(appId)) continue;
      this.#waiting.delete(appId);
      void this.#run(appId);
    }
  }

  async #run(appId: string): Promise<void> {
    this.#running.add(appId);
    // the wish of the last look is void: this look makes a new one
    clearTimeout(this.#timers.get(appId)?.timer);
    this.#timers.delete(appId);
    try {
      const wakeInMs = await this.#work(appId);
      if (wakeInMs !== null) this.wakeIn(appId, wakeInMs);
    } finally {
      this.#running.delete(appId);
      this.#next();
    }
  }
}
