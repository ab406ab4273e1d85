// The end of a process: on SIGTERM, SIGINT or when the supervisor is gone, closes what was registered, newest first, within a limit.
import { flushCompileCache } from 'node:module';
import type { Logger } from './logging.ts';

export interface Shutdown {
  /** Registers a closer; the newest runs first. */
  add(name: string, close: () => unknown): void;
  readonly signal: AbortSignal;
  run(reason: string): Promise<void>;
}

/** Limit for all closers together: a part that hangs while closing must not hold a restart. */
const closeLimitMs = 10_000;

export function createShutdown(log: Logger): Shutdown {
  const closers: { name: string; close: () => unknown }[] = [];
  const controller = new AbortController();
  let running: Promise<void> | undefined;
  const runAll = async (reason: string) => {
    log.info({ reason }, 'stopping');
    controller.abort();
    const limit = setTimeout(() => process.exit(1), closeLimitMs);
    for (const { name, close } of closers.reverse()) {
      try {
        await close();
      } catch (err) {
        log.warn({ err, closer: name }, 'closing failed');
      }
    }
    clearTimeout(limit);
  };
  const run = (reason: string) => {
    running ??= runAll(reason);
    return running;
  };
  const exit = (reason: string) => void run(reason).then(() => process.exit(0));
  process.on('SIGTERM', () => exit('SIGTERM'));
  process.on('SIGINT', () => exit('SIGINT'));
  // The supervisor holds an IPC channel; when it dies the channel closes, and no part outlives it unseen.
  if (process.connected) process.on('disconnect', () => exit('supervisor gone'));
  return { add: (name, close) => closers.push({ name, close }), signal: controller.signal, run };
}

/** Tells the supervisor (if there is one) that the part serves. */
export function reportReady(): void {
  if (process.connected) process.send?.({ ready: true });
  // Node writes its cache of compiled code at a clean exit only; a part that is killed would start slowly ever after.
  flushCompileCache();
}
