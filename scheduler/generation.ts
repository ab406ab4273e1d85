// A generation is the set of instances that one deployment made: (release, gen). Compares it with the formation, slot by slot. Pure.
import { unscaledProcessTypes } from '@berth/contract/names.ts';
import type { AppState, SchedulerInstance } from '@berth/contract/scheduling.ts';

export interface Generation {
  releaseId: string;
  gen: number;
}

export interface Slot {
  processType: string;
  slot: number;
  memoryMb: number;
}

export interface SlotDiff {
  /** Every slot that the formation wants of this generation. */
  wanted: Slot[];
  /** The instance that fills a wanted slot and may go on running. */
  holders: SchedulerInstance[];
  /** Wanted slots without a row in the way: to be created. */
  missing: Slot[];
  /** Rows that ended (or whose host is gone) in a slot that is wanted. */
  ended: SchedulerInstance[];
  /** Instances beyond the wish: to be retired. */
  surplus: SchedulerInstance[];
}

export function isOf(instance: SchedulerInstance, generation: Generation | null): boolean {
  return (
    generation !== null && instance.releaseId === generation.releaseId && instance.gen === generation.gen
  );
}

/** The generation that serves; null before the first release is live. */
export function currentGeneration(state: AppState): Generation | null {
  if (state.deleted || state.currentReleaseId === null) return null;
  return { releaseId: state.currentReleaseId, gen: state.currentGen };
}

/** The generation that is being deployed, null when nothing is. */
export function nextGeneration(state: AppState): Generation | null {
  const { deployment } = state;
  if (state.deleted || deployment === null || !isUnfinished(deployment.state)) return null;
  return { releaseId: deployment.releaseId, gen: deployment.gen };
}

export function isUnfinished(deploymentState: string): boolean {
  return (
    deploymentState === 'pending' || deploymentState === 'release_phase' || deploymentState === 'starting'
  );
}

export function hasEnded(instance: SchedulerInstance): boolean {
  return instance.state === 'stopped' || instance.state === 'lost';
}

/** What the formation asks of a release: process types that the release does not have cannot run and count as none. */
export function wantedSlots(state: AppState, releaseId: string): Slot[] {
  const types = state.releases.find((release) => release.id === releaseId)?.processTypes ?? {};
  return state.formation
    .filter(
      (entry) => Object.hasOwn(types, entry.processType) && !unscaledProcessTypes.has(entry.processType),
    )
    .flatMap(({ processType, quantity, memoryMb }) =>
      Array.from({ length: quantity }, (_, index) => ({ processType, slot: index + 1, memoryMb })),
    );
}

export function diffSlots(state: AppState, generation: Generation): SlotDiff {
  const wanted = wantedSlots(state, generation.releaseId);
  const bySlot = new Map(wanted.map((slot) => [slotKey(slot), [] as SchedulerInstance[]]));
  const diff: SlotDiff = { wanted, holders: [], missing: [], ended: [], surplus: [] };
  for (const instance of state.instances) {
    if (instance.oneOff || !isOf(instance, generation)) continue;
    const place = bySlot.get(slotKey(instance));
    if (place) place.push(instance);
    else diff.surplus.push(instance);
  }
  for (const slot of wanted) fillSlot(slot, bySlot.get(slotKey(slot)) ?? [], diff);
  return diff;
}

/** One instance a slot. One that is being stopped holds its slot until it has ended: never two of the same name. */
function fillSlot(slot: Slot, rows: SchedulerInstance[], diff: SlotDiff): void {
  diff.ended.push(...rows.filter(hasEnded));
  const alive = rows.filter((row) => !hasEnded(row));
  const [holder, ...doubles] = alive.filter((row) => row.desired === 'running').sort(bestFirst);
  const stopping = alive.filter((row) => row.desired === 'stopped');
  if (holder) diff.holders.push(holder);
  else if (stopping.length === 0) diff.missing.push(slot);
  diff.surplus.push(...doubles, ...stopping);
}

function bestFirst(a: SchedulerInstance, b: SchedulerInstance): number {
  return Number(b.state === 'ready') - Number(a.state === 'ready') || b.createdMsAgo - a.createdMsAgo;
}

function slotKey(place: { processType: string; slot: number }): string {
  return `${place.processType}.${place.slot}`;
}
