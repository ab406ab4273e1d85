// Keeps the newest ended containers of each app for their logs and removes the rest. Runs after each end and once a minute.
import type { ContainerSummary } from '@berth/clients/engine-types.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { labels } from './pod-container.ts';
import type { PodEngine } from './pod-engine.ts';

export interface KeepRules {
  perApp: number;
  maxAgeMs: number;
}

export const keepRules: KeepRules = { perApp: 5, maxAgeMs: 3_600_000 };
/** Ends come in bursts (a deploy): one sweep for all of them, and never beside a start. */
const sweepDelayMs = 500;
const sweepEveryMs = 60_000;

/** One that was made and not started is somebody's work until then: a start takes milliseconds. */
const createdGraceMs = 120_000;

/** Ids to remove: ended, not in use, beyond the newest few of the app or too old. Pure. */
export function pickSuperfluous(
  containers: readonly ContainerSummary[],
  isInUse: (containerId: string) => boolean,
  nowMs: number,
  rules: KeepRules = keepRules,
): string[] {
  const unstarted = containers.filter(
    ({ Id, State, Created }) =>
      State === 'created' && !isInUse(Id) && nowMs - Created * 1000 > createdGraceMs,
  );
  const ended = containers.filter(({ State }) => State === 'exited' || State === 'dead');
  const counts = new Map<string, number>();
  const old = ended
    .sort((a, b) => b.Created - a.Created)
    .filter(({ Id, Created, Labels }) => {
      const appId = Labels[labels.appId] ?? '';
      const count = (counts.get(appId) ?? 0) + 1;
      counts.set(appId, count);
      return !isInUse(Id) && (count > rules.perApp || nowMs - Created * 1000 > rules.maxAgeMs);
    });
  return [...unstarted, ...old].map(({ Id }) => Id);
}

export class ExitedContainers {
  readonly #engine: PodEngine;
  readonly #log: Logger;
  readonly #isInUse: (containerId: string) => boolean;
  readonly #every: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;

  constructor(engine: PodEngine, log: Logger, isInUse: (containerId: string) => boolean) {
    this.#engine = engine;
    this.#log = log;
    this.#isInUse = isInUse;
    this.#every = setInterval(() => this.sweepSoon(), sweepEveryMs);
  }

  sweepSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#sweep().catch((err: unknown) => this.#log.debug({ err }, 'sweep of ended containers failed'));
    }, sweepDelayMs);
  }

  close(): void {
    clearInterval(this.#every);
    clearTimeout(this.#soon);
  }

  async #sweep(): Promise<void> {
    const containers = await this.#engine.listContainers({ all: true, labels: [labels.instance] });
    for (const id of pickSuperfluous(containers, this.#isInUse, Date.now()))
      await this.#engine.removeContainer(id, { force: true });
  }
}
