// Keeps the generation that serves as the formation wants it: missing slots, ended rows, routes that follow readiness. Pure; called by plan.ts.
import type { AppState } from '@berth/contract/scheduling.ts';
import type { Draft } from './draft.ts';
import { diffSlots, type Generation } from './generation.ts';
import type { Limits } from './limits.ts';
import type { Placement } from './place.ts';
import { isRoutable } from './plan-deployment.ts';

export interface CurrentContext {
  state: AppState;
  limits: Limits;
  placement: Placement;
  draft: Draft;
}

export function planCurrent(current: Generation, { state, limits, placement, draft }: CurrentContext): void {
  const diff = diffSlots(state, current);
  for (const instance of diff.ended) {
    if (instance.routed) draft.unroute.push(instance.id);
    draft.forget.push(instance.id);
  }
  for (const { processType, slot, memoryMb } of diff.missing) {
    const hostId = placement.take({ processType, memoryMb });
    if (hostId === null) draft.wakeIn(limits.placeRetryMs);
    else draft.create.push({ kind: 'create', ...current, processType, slot, hostId, oneOff: false });
  }
  for (const instance of diff.holders) {
    if (isRoutable(instance)) draft.route.push(instance.id);
    else if (instance.routed && instance.state !== 'ready') draft.unroute.push(instance.id);
  }
}
