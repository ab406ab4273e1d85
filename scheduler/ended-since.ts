// Remembers since when an instance has been seen as ended, for rules such as "readable for a minute". Only a courtesy: forgetting it
// (a new scheduler) starts the minute anew.
import type { AppState } from '@berth/contract/scheduling.ts';
import { hasEnded } from './generation.ts';

export class EndedSince {
  readonly #apps = new Map<string, Map<string, number>>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How long each ended instance of the app has been seen as ended, in milliseconds. */
  observe(state: AppState): Map<string, number> {
    const before = this.#apps.get(state.appId);
    const now = this.#now();
    const since = new Map<string, number>();
    for (const instance of state.instances)
      if (hasEnded(instance)) since.set(instance.id, before?.get(instance.id) ?? now);
    if (since.size === 0) this.#apps.delete(state.appId);
    else this.#apps.set(state.appId, since);
    return new Map([...since].map(([id, at]) => [id, now - at]));
  }
}
