// Sends what changed to the controller: at once, coalesced over a blink, one report at a time, nothing forgotten when one fails.
// Also the heartbeat: an empty report each 2 s.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObservedInstance, ObservedReport } from '@berth/contract/instance.ts';
import { backoffDelay } from '@berth/kit/backoff.ts';
import type { Logger } from '@berth/kit/logging.ts';

export interface ReportQueueOptions {
  send: (report: Omit<ObservedReport, 'session'>) => Promise<void>;
  /** Everything that is known, for a full report. */
  everything: () => ObservedInstance[];
  log: Logger;
  signal: AbortSignal;
  heartbeatMs?: number;
}

/** Changes within this time travel together: two instances that become ready in one blink are one write. */
const coalesceMs = 1;
/** Nobody acts on `starting`: it is news for people only, and most instances are ready before it is worth a write beside their boot. */
const startingDelayMs = 150;
/** Three missed ones make a host suspect. */
const defaultHeartbeatMs = 2_000;
const retry = { firstMs: 50, maxMs: 1_000 };

export class ReportQueue {
  readonly #options: ReportQueueOptions;
  readonly #changed = new Map<string, ObservedInstance>();
  #wantsFull = false;
  #isOpen = false;
  #later: NodeJS.Timeout | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(options: ReportQueueOptions) {
    this.#options = options;
  }

  changed(observed: ObservedInstance): void {
    this.#changed.set(observed.id, observed);
    if (!this.#isOpen) return;
    if (observed.state === 'starting') this.#later ??= setTimeout(() => this.#wakeNow(), startingDelayMs);
    else this.#wakeNow();
  }

  /** The controller is (again) there: it is told everything, then changes. Before the first call nothing is sent. */
  sendFull(): void {
    this.#isOpen = true;
    this.#wantsFull = true;
    this.#wakeNow();
  }

  #wakeNow(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#wake.resolve();
  }

  async run(): Promise<void> {
    const { signal, heartbeatMs = defaultHeartbeatMs, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const isWoken = await this.#wait(heartbeatMs, signal);
      if (signal.aborted) return;
      if (!this.#isOpen) continue;
      if (isWoken) await sleep(coalesceMs);
      this.#wake = Promise.withResolvers();
      try {
        await this.#sendOnce();
        failures = 0;
      } catch (err) {
        log.debug({ err }, 'report not delivered');
        await sleep(backoffDelay(failures++, retry), undefined, { signal }).catch(() => {});
        this.#wake.resolve(); // what failed is sent again
      }
    }
  }

  async #sendOnce(): Promise<void> {
    const full = this.#wantsFull;
    this.#wantsFull = false;
    const batch = new Map(this.#changed);
    this.#changed.clear();
    if (full) for (const observed of this.#options.everything()) batch.set(observed.id, observed);
    try {
      await this.#options.send({ full, instances: [...batch.values()] });
    } catch (error) {
      // newer changes win over those that could not be sent
      for (const [id, observed] of batch) if (!this.#changed.has(id)) this.#changed.set(id, observed);
      this.#wantsFull ||= full;
      throw error;
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const timer = sleep(ms, false, { signal: AbortSignal.any([over.signal, signal]) }).catch(() => false);
    const isWoken = await Promise.race([this.#wake.promise.then(() => true), timer]);
    over.abort();
    return isWoken;
  }
}
