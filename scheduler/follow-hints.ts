// Follows the controller's hints and says which apps are dirty; reconnects for ever. Each connection begins with `all`.
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffDelay } from '@berth/kit/backoff.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ControllerCalls } from './controller-calls.ts';

export interface HintHandlers {
  onApp: (appId: string) => void;
  onAll: () => void;
}

/** Short at first, since a controller that restarts is back in a second; bounded, so that a long absence costs nothing. */
const reconnect = { firstMs: 20, maxMs: 1_000 };

export async function followHints(
  controller: Pick<ControllerCalls, 'hints'>,
  handlers: HintHandlers,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const hints = controller.hints(signal);
      for await (const hint of hints) {
        attempt = 0;
        if (hint.kind === 'app') handlers.onApp(hint.appId);
        else if (hint.kind === 'all') handlers.onAll();
      }
    } catch (err) {
      if (!signal.aborted) log.debug({ err }, 'hint stream broke');
    }
    if (signal.aborted) return;
    await sleep(backoffDelay(attempt, reconnect), undefined, { signal }).catch(() => {});
  }
}
