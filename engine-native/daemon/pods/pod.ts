// One pod while the daemon lives: its record, how its starts go, and who waits for it. Changed by pod-supervisor.ts and the files it calls.
import type { PodSpec } from './pod-spec.ts';

/**
 * creating → running ⇄ stopped; running → ended when nothing is left to run; removing is the end. `creating` and `removing` are found again
 * after a crash: what is half made is removed, what is half removed is gone.
 */
export type PodDesire = 'creating' | 'running' | 'stopped' | 'ended' | 'removing';

export interface PodMember {
  name: string;
  isInit: boolean;
  containerId: string;
}

export interface PodRecord {
  id: string;
  /** RFC 3339. */
  created: string;
  network: string;
  spec: PodSpec;
  desired: PodDesire;
  /** RFC 3339: when it was last started on a user's word. What ended before that does not count any more. */
  epoch: string;
  /** Why it ended, when the engine ended it. */
  message: string;
  infraId: string;
  members: PodMember[];
  /** The engine's volumes by the names of the manifest. */
  volumes: Record<string, string>;
}

/** How the starts of one container go. In memory: a new daemon begins with the short delay again. */
export interface StartHistory {
  failures: number;
  retryAtMs: number;
  /** finishedAt of the exit that was counted last. */
  countedExit: string;
  /** Why the latest start failed; "" when it did not. */
  startError: string;
  /** The probe that ended a run of it last; "" = none did. */
  endReason: string;
}

export type PodCondition = 'started' | 'ended';

export class Pod {
  readonly record: PodRecord;
  readonly histories = new Map<string, StartHistory>();
  timer: NodeJS.Timeout | undefined;
  isGone = false;
  /** For the stop that is under way; undefined: the manifest's. */
  graceSeconds: number | undefined;
  #lock: Promise<unknown> = Promise.resolve();
  #changed = Promise.withResolvers<void>();

  constructor(record: PodRecord) {
    this.record = record;
  }

  get name(): string {
    return this.record.spec.name;
  }

  history(containerId: string): StartHistory {
    const known = this.histories.get(containerId);
    if (known) return known;
    const fresh: StartHistory = { failures: 0, retryAtMs: 0, countedExit: '', startError: '', endReason: '' };
    this.histories.set(containerId, fresh);
    return fresh;
  }

  /** One thing at a time is done to a pod. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#lock.then(work, work);
    this.#lock = next.catch(() => {});
    return next;
  }

  /** After a creation or a step that is under way: its own last word must not undo what is asked now. */
  settled(): Promise<void> {
    return this.exclusive(() => Promise.resolve());
  }

  /** Resolves at the next change of what `describe` would say. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  tellChange(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
