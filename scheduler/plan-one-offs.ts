// One-off runs that a user asked for: a host for each, and its row kept readable a while after its end. Pure; called by plan.ts.
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Draft } from './draft.ts';
import { hasEnded } from './generation.ts';
import type { Limits } from './limits.ts';
import type { Placement } from './place.ts';

export interface OneOffContext {
  state: AppState;
  limits: Limits;
  placement: Placement;
  draft: Draft;
  /** How long each ended instance has been seen as ended. */
  endedMs: ReadonlyMap<string, number>;
}

export function isUserRun(instance: SchedulerInstance): boolean {
  return instance.oneOff && instance.processType !== 'release';
}

export function planOneOffs(context: OneOffContext): void {
  for (const instance of context.state.instances) if (isUserRun(instance)) planOneOff(instance, context);
}

function planOneOff(instance: SchedulerInstance, { limits, placement, draft, endedMs }: OneOffContext): void {
  if (hasEnded(instance)) {
    const leftMs = limits.keepOneOffMs - (endedMs.get(instance.id) ?? 0);
    if (leftMs <= 0) draft.forget.push(instance.id);
    else draft.wakeIn(leftMs);
    return;
  }
  if (instance.hostId !== null) return;
  if (instance.desired === 'stopped' || instance.createdMsAgo >= limits.placeWaitMs) {
    draft.forget.push(instance.id); // nobody ever heard of it, so nobody would report its end
    return;
  }
  const hostId = placement.take(instance);
  if (hostId === null)
    draft.wakeIn(Math.min(limits.placeRetryMs, limits.placeWaitMs - instance.createdMsAgo));
  else draft.place.push({ kind: 'place', instanceId: instance.id, hostId });
}
