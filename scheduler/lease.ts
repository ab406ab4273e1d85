// Holds the scheduler's lease: takes it, renews it, and knows by the monotonic clock when to stop acting. The epoch fences every write.
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ControllerCalls } from './controller-calls.ts';

export interface LeaseTimes {
  ttlMs: number;
  renewMs: number;
  /** How often to ask while somebody else holds it, or while the controller is away. */
  retryMs: number;
}

export const leaseTimes: LeaseTimes = { ttlMs: 6_000, renewMs: 2_000, retryMs: 250 };

export interface LeaseOptions {
  controller: Pick<ControllerCalls, 'takeLease'>;
  holder: string;
  log: Logger;
  onTaken: () => void;
  times?: LeaseTimes;
  now?: () => number;
}

export class Lease {
  readonly #options: Required<LeaseOptions>;
  #epoch: number | null = null;
  /** Until then we act; counted from before the request, so that a slow answer shortens it. */
  #actsUntil = 0;

  constructor(options: LeaseOptions) {
    this.#options = { times: leaseTimes, now: () => performance.now(), ...options };
  }

  /** The epoch to write with, or null: then nothing may be planned nor applied. Ends at two thirds of the lease's life. */
  get epoch(): number | null {
    return this.#epoch !== null && this.#options.now() < this.#actsUntil ? this.#epoch : null;
  }

  /** The controller refused our epoch: somebody else acts. */
  drop(): void {
    this.#epoch = null;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { times } = this.#options;
    while (!signal.aborted) {
      const isHeld = await this.#step();
      const pauseMs = isHeld ? times.renewMs : times.retryMs * (0.8 + 0.4 * Math.random());
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Gives the lease back at a clean end, so that a successor need not wait for its time to run out. */
  async release(): Promise<void> {
    const epoch = this.epoch;
    this.#epoch = null;
    if (epoch !== null)
      await this.#options.controller.takeLease(this.#options.holder, epoch, 1).catch(() => {});
  }

  async #step(): Promise<boolean> {
    const { controller, holder, log, times, now, onTaken } = this.#options;
    const askedAt = now();
    const held = this.#epoch;
    try {
      const { epoch } = await controller.takeLease(holder, held, times.ttlMs);
      this.#epoch = epoch;
      this.#actsUntil = askedAt + (times.ttlMs * 2) / 3;
      if (epoch !== held) {
        log.info({ epoch }, 'lease taken');
        onTaken();
      }
      return true;
    } catch (err) {
      if (err instanceof AppError && (err.code === 'conflict' || err.code === 'stale_epoch')) {
        if (held !== null) log.warn({ epoch: held }, 'lease lost');
        this.#epoch = null;
      } else log.debug({ err }, 'lease not renewed');
      return false;
    }
  }
}
