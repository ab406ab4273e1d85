// From what is wanted and what is seen of one app to the next actions. Pure and level-triggered: it remembers nothing, so that
// any state that a kill at any moment leaves behind converges. Called by reconcile-app.ts until it has nothing more to do.
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';
import { Draft, type Plan } from './draft.ts';
import { currentGeneration, diffSlots, type Generation, isOf, nextGeneration } from './generation.ts';
import { loseInstances } from './host-loss.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { Placement } from './place.ts';
import { planCurrent } from './plan-current.ts';
import { isReleasePhaseOf, planDeployment } from './plan-deployment.ts';
import { isUserRun, planOneOffs } from './plan-one-offs.ts';
import { retireInstance } from './retire-instance.ts';
import { allAtOnce } from './strategies/all-at-once.ts';
import type { DeployStrategy } from './strategies/strategy.ts';

export interface PlanOptions {
  limits?: Limits;
  strategy?: DeployStrategy;
  /** How long each ended instance has been seen as ended; a missing one has only just ended. */
  endedMs?: ReadonlyMap<string, number>;
}

export function plan(state: AppState, options: PlanOptions = {}): Plan {
  const { limits = defaultLimits, strategy = allAtOnce, endedMs = new Map<string, number>() } = options;
  const draft = new Draft();
  if (loseInstances(state, draft)) return draft.finish();
  const placement = new Placement(state.hosts, state.instances, limits.memoryPercent);
  const context = { state, limits, placement, draft, strategy, endedMs };
  if (planDeployment(context)) return onlyTheEnd(draft);
  const current = currentGeneration(state);
  if (current) planCurrent(current, context);
  if (!state.deleted) planOneOffs(context);
  for (const instance of unwanted(state, current)) retireInstance(instance, state, limits, draft);
  return draft.finish();
}

/** A deployment that ends changes what is wanted: the rest is planned from the state after it. */
function onlyTheEnd(draft: Draft): Plan {
  draft.forget.length = 0;
  draft.create.length = 0;
  return draft.finish();
}

/** Everything that neither the serving generation nor the one being deployed has a use for. */
function unwanted(state: AppState, current: Generation | null): SchedulerInstance[] {
  const next = nextGeneration(state);
  const surplus = new Set<SchedulerInstance>();
  for (const generation of [current, next]) {
    if (!generation) continue;
    for (const instance of diffSlots(state, generation).surplus) surplus.add(instance);
  }
  return state.instances.filter((instance) => {
    if (state.deleted) return true;
    if (isUserRun(instance)) return false;
    if (instance.oneOff) return !(isReleasePhaseOf(instance, next) && state.deployment?.state !== 'starting');
    return surplus.has(instance) || !(isOf(instance, current) || isOf(instance, next));
  });
}
