// Runs the real plan against the fake platform, as reconcile-app.ts does against the real controller.
import { EndedSince } from '@berth/scheduler/ended-since.ts';
import { plan } from '@berth/scheduler/plan.ts';
import { Conflict, type FakePlatform } from './fake-platform.ts';

export class Scheduler {
  readonly #platform: FakePlatform;
  readonly #ended: EndedSince;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
    this.#ended = new EndedSince(() => platform.now);
  }

  /** One look: rounds until the plan is empty. Gives when it wants to look again. */
  look(): number | null {
    for (let round = 0; round < 25; round++) {
      const state = this.#platform.read();
      const { actions, wakeInMs } = plan(state, { endedMs: this.#ended.observe(state) });
      if (actions.length === 0) return wakeInMs;
      this.#platform.apply(state.version, actions);
    }
    throw new Error('the plan does not settle');
  }

  /** A look that is interrupted before its write: the write arrives late and must be refused. */
  lateApply(between: () => void): void {
    const state = this.#platform.read();
    const { actions } = plan(state, { endedMs: this.#ended.observe(state) });
    between();
    if (actions.length === 0) return;
    try {
      this.#platform.apply(state.version, actions);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }

  /** Looks after each step of time, as hints and wake-ups make it do. */
  runFor(ms: number, stepMs = 100): void {
    for (let at = 0; at < ms; at += stepMs) {
      this.#platform.tick(stepMs);
      this.look();
    }
  }
}
