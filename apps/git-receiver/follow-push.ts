// Follows a push that the controller has accepted, line by line, until its end; survives a restart of the controller.
// Called by the push steps. Must never print a line twice.
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutputLine } from '@berth/contract/release.ts';
import { backoffDelay } from '@berth/kit/backoff.ts';
import { AppError, asAppError, fromErrorBody, isErrorBody } from '@berth/kit/errors.ts';

export type PushEnd = Extract<OutputLine, { end: true }>;

export interface FollowOptions {
  open: (after: number, signal: AbortSignal) => AsyncIterable<OutputLine>;
  print: (text: string) => Promise<void>;
  signal: AbortSignal;
  /** How long the controller may be away in one go. */
  reconnectLimitMs: number;
}

/** The end line. Throws `unavailable` when the controller stays away, and the controller's own error when it knows no such push. */
export async function followPush(options: FollowOptions): Promise<PushEnd> {
  const { open, print, signal, reconnectLimitMs } = options;
  let after = 0;
  let attempt = 0;
  let lastHeard = performance.now();
  for (;;) {
    try {
      for await (const line of open(after, signal)) {
        lastHeard = performance.now();
        attempt = 0;
        if (isErrorBody(line)) throw fromErrorBody(line);
        if ('end' in line) return line;
        if (line.seq <= after) continue;
        after = line.seq;
        await print(line.text);
      }
    } catch (cause) {
      const error = asAppError(cause);
      if (signal.aborted || !(error.retryable || error.code === 'internal')) throw error;
    }
    if (signal.aborted) throw new AppError('unavailable', 'the pusher has left');
    if (performance.now() - lastHeard > reconnectLimitMs)
      throw new AppError('unavailable', 'the platform stopped answering during the push', {
        hint: 'the release may still go live; see it with "berth releases", or push again',
      });
    await sleep(backoffDelay(attempt++, { firstMs: 50, maxMs: 1000 }), undefined, { signal }).catch(() => {});
  }
}
