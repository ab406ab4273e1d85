// Every wait of the scheduler in one place, each with the failure it prevents. Read by the plan; tests pass smaller ones.

export interface Limits {
  /** A request that never ends must not keep an old instance for ever. */
  drainMs: number;
  /** Without any live router nobody can acknowledge; this long is enough for one that reconnects. */
  noRouterMs: number;
  /** Safety net above the agent's own boot limit: a host that says nothing must not hold a pusher for ever. */
  startMs: number;
  /** A release phase that hangs (a migration waiting for a lock) must end. The agent kills it first; this is the net below. */
  releasePhaseMs: number;
  /** This many crashes in a row while starting mean that the release does not work. */
  maxRestarts: number;
  /** A platform that has just started waits for its hosts this long before it says that there is none. */
  placeWaitMs: number;
  /** An ended one-off stays readable (exit code) this long. */
  keepOneOffMs: number;
  /** How soon a slot that found no host is tried again. */
  placeRetryMs: number;
  /** Share of a host's memory that instances may reserve, in percent; the rest is the platform's. */
  memoryPercent: number;
}

export const defaultLimits: Limits = {
  drainMs: 30_000,
  noRouterMs: 3_000,
  startMs: 600_000,
  releasePhaseMs: 3_600_000,
  maxRestarts: 3,
  placeWaitMs: 30_000,
  keepOneOffMs: 60_000,
  placeRetryMs: 5_000,
  memoryPercent: 90,
};
