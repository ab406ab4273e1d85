// What a deploy strategy decides: which slots of the next generation may start now, and when the switch is due. One strategy a file.
import type { SchedulerInstance } from '@berth/contract/scheduling.ts';
import type { Slot } from '../generation.ts';

export interface StrategyView {
  /** Every slot that the next generation must fill. */
  wanted: readonly Slot[];
  /** Those of them that have no instance yet. */
  missing: readonly Slot[];
  /** Instances of the next generation that fill a slot. */
  next: readonly SchedulerInstance[];
  /** Instances of the generation that serves now. */
  current: readonly SchedulerInstance[];
}

export interface StrategyStep {
  start: readonly Slot[];
  /** Route the next generation, unroute the current one, call the deployment succeeded: one transaction. */
  switchNow: boolean;
}

export interface DeployStrategy {
  name: string;
  step(view: StrategyView): StrategyStep;
}
