// Waiting and trying again, always with a limit. Used by every client of another process.
import { setTimeout as sleep } from 'node:timers/promises';

export interface BackoffOptions {
  firstMs: number;
  maxMs: number;
  factor?: number;
  /** Share of the delay that is random, 0..1, so that many clients do not come back in one beat. */
  jitter?: number;
}

/** The delay before attempt n (0-based), in milliseconds. */
export function backoffDelay(attempt: number, options: BackoffOptions, random = Math.random): number {
  const { firstMs, maxMs, factor = 2, jitter = 0.2 } = options;
  const raw = Math.min(maxMs, firstMs * factor ** attempt);
  return raw * (1 - jitter + 2 * jitter * random());
}

/** Runs `work` until it succeeds, the limit has passed or the signal aborts; throws the last error. */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  options: BackoffOptions & {
    limitMs: number;
    signal?: AbortSignal;
    isRetryable?: (error: unknown) => boolean;
  },
): Promise<T> {
  const deadline = performance.now() + options.limitMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const delay = backoffDelay(attempt, options);
      const mayRetry = options.isRetryable?.(error) ?? true;
      if (!mayRetry || options.signal?.aborted || performance.now() + delay > deadline) throw error;
      await sleep(delay, undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}
