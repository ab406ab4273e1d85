// The deployment machine: pending → release_phase → starting → succeeded or failed. Pure; called by plan.ts once a plan.
// Must never touch the generation that serves, except in the one switch that makes the next one current.

import type { DeploymentState } from '@berth/contract/release.ts';
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Draft } from './draft.ts';
import { findStartFailure } from './failed-start.ts';
import {
  currentGeneration,
  diffSlots,
  type Generation,
  hasEnded,
  isOf,
  nextGeneration,
  type Slot,
  type SlotDiff,
} from './generation.ts';
import type { Limits } from './limits.ts';
import { releasePhaseLine, startingLine, tailLines } from './output-lines.ts';
import type { Placement } from './place.ts';
import type { DeployStrategy } from './strategies/strategy.ts';

export interface DeploymentContext {
  state: AppState;
  limits: Limits;
  placement: Placement;
  strategy: DeployStrategy;
  draft: Draft;
}

type Deployment = NonNullable<AppState['deployment']>;

const releasePhaseMemoryMb = 512;

/** Plans the deployment's next step. True when this step ends it, so that nothing else is to be planned from this state. */
export function planDeployment(context: DeploymentContext): boolean {
  const { deployment } = context.state;
  const next = nextGeneration(context.state);
  if (deployment === null || next === null) return false;
  if (deployment.state === 'pending') return planPending(context, deployment, next);
  if (deployment.state === 'release_phase') return planReleasePhase(context, deployment, next);
  return planStarting(context, deployment, next);
}

/** The process type that a release phase runs as, when the release has one. */
function releaseCommand(state: AppState, releaseId: string): string | undefined {
  return state.releases.find((release) => release.id === releaseId)?.processTypes['release'];
}

function planPending(context: DeploymentContext, deployment: Deployment, next: Generation): boolean {
  const command = releaseCommand(context.state, next.releaseId);
  // a restart deploys the release that is current already: its release phase has run
  const isRestart = next.releaseId === context.state.currentReleaseId;
  if (command === undefined || isRestart) return enterStarting(context, deployment, next);
  if (!createReleasePhase(context, deployment, next)) return context.draft.conclude !== undefined;
  advance(context, deployment, 'release_phase', [releasePhaseLine(command)]);
  return false;
}

function planReleasePhase(context: DeploymentContext, deployment: Deployment, next: Generation): boolean {
  const { state, limits, draft } = context;
  const phase = state.instances.find((instance) => isReleasePhaseOf(instance, next));
  if (phase?.state === 'stopped') return judgeReleasePhase(context, deployment, next, phase);
  if (deployment.stateMs >= limits.releasePhaseMs)
    return fail(context, deployment, `the release phase took longer than ${limits.releasePhaseMs / 1000} s`, {
      hint: 'make it shorter, or run the work with berth run',
      tail: phase?.tail ?? null,
    });
  draft.wakeIn(limits.releasePhaseMs - deployment.stateMs);
  if (phase?.state === 'lost') draft.forget.push(phase.id);
  // its host died, or its row did: run it again; a release command may run more than once, as documented
  if (!phase || phase.state === 'lost') createReleasePhase(context, deployment, next);
  return draft.conclude !== undefined;
}

function judgeReleasePhase(
  context: DeploymentContext,
  deployment: Deployment,
  next: Generation,
  phase: SchedulerInstance,
): boolean {
  if (phase.exitCode === 0 && phase.fatal === null)
    return enterStarting(context, deployment, next, tailLines(phase.tail));
  const error =
    phase.exitCode !== null && phase.fatal === null
      ? `release phase failed with exit code ${phase.exitCode}`
      : `release phase failed: ${phase.message ?? 'it did not start'}`;
  const hint = 'the old release goes on serving; fix the release command and push again';
  return fail(context, deployment, error, { hint, tail: phase.tail });
}

export function isReleasePhaseOf(instance: SchedulerInstance, generation: Generation | null): boolean {
  return instance.oneOff && instance.processType === 'release' && isOf(instance, generation);
}

function createReleasePhase(context: DeploymentContext, deployment: Deployment, next: Generation): boolean {
  const largestMb = Math.max(0, ...context.state.formation.map((entry) => entry.memoryMb));
  const slot = { processType: 'release', slot: 1, memoryMb: largestMb || releasePhaseMemoryMb };
  return createInstances(context, deployment, next, [slot], true);
}

/** The step into `starting` creates the instances at once: one transaction, no extra round. */
function enterStarting(
  context: DeploymentContext,
  deployment: Deployment,
  next: Generation,
  said: string[] = [],
): boolean {
  const diff = diffSlots(context.state, next);
  const { start } = context.strategy.step(strategyView(context, diff));
  if (!createInstances(context, deployment, next, start, false)) return context.draft.conclude !== undefined;
  advance(context, deployment, 'starting', [...said, ...startingLine(start)]);
  return false;
}

function planStarting(context: DeploymentContext, deployment: Deployment, next: Generation): boolean {
  const { state, limits, draft } = context;
  const diff = diffSlots(state, next);
  const failure = findStartFailure(diff.holders, limits);
  if (failure) return fail(context, deployment, failure.error, failure);
  if (deployment.stateMs >= limits.startMs)
    return fail(context, deployment, `instances are not ready after ${limits.startMs / 1000} s`, {
      hint: 'see berth ps and berth logs',
      tail: diff.holders.find((instance) => instance.tail !== null)?.tail ?? null,
    });
  draft.wakeIn(limits.startMs - deployment.stateMs);
  const step = context.strategy.step(strategyView(context, diff));
  if (step.switchNow) return switchOver(context, deployment, next, diff);
  draft.forget.push(...diff.ended.filter((instance) => !instance.routed).map((instance) => instance.id));
  createInstances(context, deployment, next, step.start, false);
  return draft.conclude !== undefined;
}

/**
 * Route, unroute and success are one transaction: a kill before it leaves the old generation serving, one after it leaves the new one
 * current and the old one to be drained. Whoever waits for "live" waits for the routers' acknowledgement of this table after it.
 */
function switchOver(
  context: DeploymentContext,
  deployment: Deployment,
  next: Generation,
  diff: SlotDiff,
): boolean {
  const { state, draft } = context;
  draft.route.push(...diff.holders.filter(isRoutable).map((instance) => instance.id));
  draft.unroute.push(
    ...state.instances
      .filter((instance) => instance.routed && !isOf(instance, next))
      .map((instance) => instance.id),
  );
  draft.conclude = conclusion(deployment, 'succeeded');
  return true;
}

/** Only the web process is served, and only a ready instance that is to go on running. */
export function isRoutable(instance: SchedulerInstance): boolean {
  return (
    instance.processType === 'web' &&
    !instance.routed &&
    instance.state === 'ready' &&
    instance.desired === 'running'
  );
}

function strategyView(context: DeploymentContext, diff: SlotDiff) {
  const { state } = context;
  const current = currentGeneration(state);
  return {
    wanted: diff.wanted,
    missing: diff.missing,
    next: diff.holders,
    current: state.instances.filter((instance) => !instance.oneOff && isOf(instance, current)),
  };
}

/** All or nothing: false when a slot found no host; then it waits a little (hosts may be coming up) or the deployment fails with the numbers. */
function createInstances(
  context: DeploymentContext,
  deployment: Deployment,
  next: Generation,
  slots: readonly Slot[],
  oneOff: boolean,
): boolean {
  const { placement, draft, limits, state } = context;
  const created = [];
  for (const slot of slots) {
    const hostId = placement.take(slot);
    if (hostId === null) {
      const mayComeUp =
        !placement.hasHosts || state.instances.some((instance) => isLeaving(instance, context));
      if (mayComeUp && deployment.stateMs < limits.placeWaitMs)
        draft.wakeIn(Math.min(limits.placeRetryMs, limits.placeWaitMs - deployment.stateMs));
      else
        fail(context, deployment, placement.shortage(slot), {
          hint: 'scale something down, or add a host',
          tail: null,
        });
      return false;
    }
    const { processType, slot: number } = slot;
    created.push({ kind: 'create' as const, ...next, processType, slot: number, hostId, oneOff });
  }
  draft.create.push(...created);
  return true;
}

/** Its memory will be free soon. */
function isLeaving(instance: SchedulerInstance, { state }: DeploymentContext): boolean {
  const isWanted = isOf(instance, currentGeneration(state)) || isOf(instance, nextGeneration(state));
  return !hasEnded(instance) && (instance.desired === 'stopped' || !isWanted);
}

function advance(
  { draft }: DeploymentContext,
  deployment: Deployment,
  to: DeploymentState,
  output: string[],
): void {
  draft.advance = { ...conclusion(deployment, to), ...(output.length === 0 ? {} : { output }) };
}

function fail(
  { draft }: DeploymentContext,
  deployment: Deployment,
  error: string,
  why: { hint: string; tail: string | null },
): true {
  draft.conclude = {
    ...conclusion(deployment, 'failed'),
    error,
    hint: why.hint,
    // the error itself and its hint are said by whoever answers the pusher
    output: tailLines(why.tail),
  };
  return true;
}

function conclusion(deployment: Deployment, to: DeploymentState) {
  return { kind: 'deployment' as const, deploymentId: deployment.id, from: deployment.state, to };
}
