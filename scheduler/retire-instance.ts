// The way out of an instance: unroute → every router knows and its requests have ended → stop → forget. Pure; one step a plan.
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Draft } from './draft.ts';
import { hasEnded } from './generation.ts';
import { deadHosts } from './host-loss.ts';
import type { Limits } from './limits.ts';

/** Adds the next step for an instance that is not wanted any more. Deleted apps skip the drain: nobody is to be answered. */
export function retireInstance(
  instance: SchedulerInstance,
  state: AppState,
  limits: Limits,
  draft: Draft,
): void {
  if (instance.routed) {
    draft.unroute.push(instance.id);
    if (!state.deleted) return;
  }
  if (hasEnded(instance) || isBeyondReach(instance, state)) {
    draft.forget.push(instance.id);
    return;
  }
  if (instance.desired === 'stopped') return; // its agent reports the end
  const waitMs = state.deleted ? 0 : drainWaitMs(instance, state, limits);
  if (waitMs <= 0) draft.stop.push(instance.id);
  else draft.wakeIn(waitMs);
}

/** Nobody will ever report its end: it has no host yet, or a host that counts as dead. */
function isBeyondReach(instance: SchedulerInstance, state: AppState): boolean {
  if (instance.hostId === null) return true;
  return deadHosts(state.hosts).isDead(instance.hostId);
}

/** How long an unrouted instance may still be needed by requests; 0 = not any more. */
export function drainWaitMs(instance: SchedulerInstance, state: AppState, limits: Limits): number {
  const { unroutedVersion, unroutedMsAgo, inFlight } = instance;
  if (instance.state !== 'ready' || unroutedVersion === null) return 0;
  const goneMs = unroutedMsAgo ?? 0;
  if (state.routersAcked === null) return limits.noRouterMs - goneMs;
  if (state.routersAcked >= unroutedVersion && inFlight === 0) return 0;
  return limits.drainMs - goneMs;
}
