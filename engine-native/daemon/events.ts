// What happened, in Docker's words: kept for a while for `since`, handed to every listener at once. Must never wait for a listener.

export interface EngineEvent {
  Type: 'container' | 'image' | 'network' | 'volume';
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: 'local';
  /** Seconds. */
  time: number;
  timeNano: number;
}

const keptEvents = 2_000; // a reader that comes back after a short break misses nothing; memory stays bounded

export class Events {
  readonly #kept: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  publish(
    type: EngineEvent['Type'],
    action: string,
    id: string,
    attributes: Record<string, string> = {},
    atMs = Date.now(),
  ): void {
    const event: EngineEvent = {
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: 'local',
      time: Math.floor(atMs / 1000),
      timeNano: Math.round(atMs * 1e6),
    };
    this.#kept.push(event);
    if (this.#kept.length > keptEvents) this.#kept.splice(0, this.#kept.length - keptEvents);
    for (const listener of this.#listeners) listener(event);
  }

  /** Kept events from a moment on, in milliseconds. */
  since(sinceMs: number): EngineEvent[] {
    return this.#kept.filter((event) => event.timeNano / 1e6 >= sinceMs);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  subscribe(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
