// How long a crashed instance waits before it starts again: 0, 1, 2, 4 … 300 s, so that a crash loop costs little and one crash costs nothing. Pure.
import { backoffDelay } from '@berth/kit/backoff.ts';

/** An instance that ran this long is healthy: its next crash is a first crash. */
export const healthyAfterMs = 600_000;

/** Delay before the restart after the nth crash in a row (1-based), in milliseconds. */
export function restartDelayMs(crashesInARow: number, random = Math.random): number {
  if (crashesInARow <= 1) return 0;
  return backoffDelay(crashesInARow - 2, { firstMs: 1_000, maxMs: 300_000, jitter: 0.1 }, random);
}
