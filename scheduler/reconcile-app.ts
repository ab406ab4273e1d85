// One app brought from what is to what is wanted: read, plan, apply, until the plan is empty. Called by the queue, never twice at once for an app.
// Must never write without a live lease, and never plan twice from the same read.
import { AppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ControllerCalls } from './controller-calls.ts';
import { EndedSince } from './ended-since.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { plan } from './plan.ts';

export interface ReconcileOptions {
  controller: Pick<ControllerCalls, 'readApp' | 'apply'>;
  lease: { readonly epoch: number | null; drop(): void };
  log: Logger;
  limits?: Limits;
  now?: () => number;
}

/** A plan that never empties means that an action does not take; slow down instead of spinning. */
const maxRounds = 25;
const slowDownMs = 1_000;
/** The controller is away or fails: look again, also without a hint. */
const retryMs = 1_000;

/** Gives a function for AppQueue: reconciles one app and says in how many milliseconds it wants to look again. */
export function createReconciler(options: ReconcileOptions): (appId: string) => Promise<number | null> {
  const ended = new EndedSince(options.now);
  return async (appId) => {
    try {
      return await reconcile(appId, ended, options);
    } catch (err) {
      return handleFailure(err, appId, options);
    }
  };
}

async function reconcile(
  appId: string,
  ended: EndedSince,
  { controller, lease, log, limits = defaultLimits }: ReconcileOptions,
): Promise<number | null> {
  for (let round = 0; round < maxRounds; round++) {
    const startedAt = performance.now();
    if (lease.epoch === null) return null; // taking it again marks every app dirty
    const state = await controller.readApp(appId);
    const { actions, wakeInMs } = plan(state, { limits, endedMs: ended.observe(state) });
    if (actions.length === 0) return wakeInMs;
    const epoch = lease.epoch;
    if (epoch === null) return null;
    try {
      await controller.apply(appId, { epoch, version: state.version, actions });
    } catch (err) {
      if (err instanceof AppError && err.code === 'conflict') continue; // something changed in between: read again
      throw err;
    }
    const kinds = actions.map((action) => action.kind);
    const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
    log.info({ app: state.app, actions: kinds, version: state.version, durationMs }, 'applied');
  }
  log.warn({ appId }, 'plan does not settle');
  return slowDownMs;
}

function handleFailure(err: unknown, appId: string, { lease, log }: ReconcileOptions): number | null {
  if (err instanceof AppError && err.code === 'not_found') return null;
  if (err instanceof AppError && err.code === 'stale_epoch') {
    lease.drop();
    return null;
  }
  log.warn({ err, appId }, 'reconcile failed');
  return retryMs;
}
