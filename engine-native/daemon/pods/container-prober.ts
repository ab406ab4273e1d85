// The probes of one run of one container: each on a clock of its own, so that none waits for another. Startup holds the others back; a failed
// startup or liveness ends the container; readiness is shown. Made by pod-probes.ts for every run, stopped at its end.
import type { Container } from '../containers/container.ts';
import type { Health } from '../containers/container-config.ts';
import type { ProbeResult } from '../containers/probe.ts';
import type { ContainerPlan, ProbePlan } from './pod-spec.ts';
import { runAction } from './probe-action.ts';

const keptProbes = 5;

export interface ProberEvents {
  /** The pod's address now; "" = none. */
  address: () => string;
  /** What is shown has changed. */
  changed: () => void;
  /** The container is to be ended; `why` is for its reader. */
  failed: (why: string) => void;
}

export class ContainerProber {
  readonly #container: Container;
  readonly #probes: ContainerPlan['probes'];
  readonly #events: ProberEvents;
  readonly #timers = new Set<NodeJS.Timeout>();
  #isStopped = false;
  #hasStarted: boolean;
  #isReady: boolean;

  /** `wasReady`: what an earlier daemon found out about the same run. */
  constructor(container: Container, plan: ContainerPlan, events: ProberEvents, wasReady: boolean) {
    this.#container = container;
    this.#probes = plan.probes;
    this.#events = events;
    this.#hasStarted = !plan.probes.startup || wasReady;
    this.#isReady = wasReady || (this.#hasStarted && !plan.probes.readiness);
    this.#show();
    if (this.#hasStarted) this.#beginOthers();
    else if (plan.probes.startup) this.#repeat('startup', plan.probes.startup);
  }

  get isReady(): boolean {
    return this.#isReady && this.#container.status === 'running';
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #beginOthers(): void {
    const { liveness, readiness } = this.#probes;
    if (liveness) this.#repeat('liveness', liveness);
    if (readiness) this.#repeat('readiness', readiness);
    if (!readiness) this.#setReady(true);
  }

  #repeat(kind: keyof ContainerPlan['probes'], plan: ProbePlan): void {
    const ranMs = Date.now() - Date.parse(this.#container.record.life.startedAt);
    const counts = { good: 0, bad: 0 };
    const next = (delayMs: number) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void once();
      }, delayMs);
      this.#timers.add(timer);
    };
    const once = async () => {
      const beganMs = performance.now();
      // A paused container cannot answer, and that says nothing about it.
      if (this.#container.status === 'running') {
        const start = new Date().toISOString();
        const result = await runAction(plan.action, this.#container, this.#events.address(), plan.timeoutMs);
        if (this.#isStopped) return;
        this.#note(start, result);
        counts.good = result.exitCode === 0 ? counts.good + 1 : 0;
        counts.bad = result.exitCode === 0 ? 0 : counts.bad + 1;
        if (this.#judge(kind, plan, counts, result)) return;
      }
      next(Math.max(0, plan.periodMs - (performance.now() - beganMs)));
    };
    next(Math.max(0, plan.initialDelayMs - Math.max(0, ranMs)));
  }

  /** True when this probe has nothing more to find out. */
  #judge(
    kind: keyof ContainerPlan['probes'],
    plan: ProbePlan,
    { good, bad }: { good: number; bad: number },
    { output }: ProbeResult,
  ): boolean {
    if (kind === 'readiness') {
      if (good >= plan.successThreshold) this.#setReady(true);
      if (bad >= plan.failureThreshold) this.#setReady(false);
      return false;
    }
    if (kind === 'startup' && good >= 1) {
      this.#hasStarted = true;
      this.#beginOthers();
      return true;
    }
    if (bad < plan.failureThreshold) return false;
    this.stop();
    this.#setReady(false);
    this.#events.failed(`${kind} probe failed: ${output.trim().slice(0, 300)}`);
    return true;
  }

  #setReady(isReady: boolean): void {
    if (this.#isReady === isReady) return;
    this.#isReady = isReady;
    this.#show();
    this.#events.changed();
  }

  /** As `docker ps` and inspect show the health of a container. */
  #show(): void {
    if (Object.keys(this.#probes).length === 0) return;
    const before = this.#container.health;
    const known = before?.Log ?? [];
    const status: Health['Status'] = this.#isReady
      ? 'healthy'
      : known.length === 0 || !this.#hasStarted
        ? 'starting'
        : 'unhealthy';
    this.#container.health = { Status: status, FailingStreak: before?.FailingStreak ?? 0, Log: known };
    this.#container.record.life.health = status;
  }

  #note(start: string, { exitCode, output }: ProbeResult): void {
    const { health } = this.#container;
    if (!health) return;
    const entry = { Start: start, End: new Date().toISOString(), ExitCode: exitCode, Output: output };
    health.Log = [...health.Log, entry].slice(-keptProbes);
    health.FailingStreak = exitCode === 0 ? 0 : health.FailingStreak + 1;
  }
}
