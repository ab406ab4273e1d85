// What the agent knows of one pod, as it is reported. Every change goes through here, so that none is forgotten in a report.
import type { ObservedInstance } from '@berth/contract/instance.ts';

export function unseenInstance(id: string): ObservedInstance {
  return {
    id,
    state: 'starting',
    address: null,
    port: null,
    container: null,
    restarts: 0,
    exitCode: null,
    message: null,
    fatal: null,
    tail: null,
  };
}

export class PodState {
  #observed: ObservedInstance;
  readonly #onChange: (observed: ObservedInstance) => void;

  constructor(id: string, onChange: (observed: ObservedInstance) => void) {
    this.#observed = unseenInstance(id);
    this.#onChange = onChange;
  }

  get observed(): ObservedInstance {
    return this.#observed;
  }

  set(change: Partial<Omit<ObservedInstance, 'id'>>): void {
    this.#observed = { ...this.#observed, ...change };
    this.#onChange(this.#observed);
  }

  /** Clears what an earlier crash left, which stays visible until the instance has proved itself. */
  ready(address: string | null, port: number | null): void {
    this.set({ state: 'ready', address, port, exitCode: null, message: null, fatal: null, tail: null });
  }
}
