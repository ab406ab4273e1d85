// Idle connections to instances, the newest used first. Asked by the proxy for every request.
// Must never give out a connection to an instance that left the table, nor one that the instance is about to close.
import type { Limits } from './limits.ts';
import type { Target } from './table.ts';
import { UpstreamConnection, type UpstreamUser } from './upstream-connection.ts';

export class UpstreamPool {
  readonly #idle = new Map<Target, UpstreamConnection[]>();
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get idleCount(): number {
    let count = 0;
    for (const connections of this.#idle.values()) count += connections.length;
    return count;
  }

  /** An idle connection that was used at most `maxIdleMs` ago, or none. */
  take(target: Target, now: number, maxIdleMs: number): UpstreamConnection | undefined {
    const connections = this.#idle.get(target);
    for (let connection = connections?.pop(); connection; connection = connections?.pop()) {
      if (!connection.isClosed && now < connection.idleUntil && now - connection.idleSince <= maxIdleMs)
        return connection;
      connection.destroy();
    }
    return undefined;
  }

  connect(target: Target, user: UpstreamUser): UpstreamConnection {
    return new UpstreamConnection(target, user);
  }

  /** Takes a connection back after a whole response. `keepAliveSeconds`: how long the instance promised to keep it. */
  give(connection: UpstreamConnection, now: number, keepAliveSeconds: number): void {
    const { target } = connection;
    let connections = this.#idle.get(target);
    if (!connections) {
      connections = [];
      this.#idle.set(target, connections);
    }
    if (target.references === 0 || connections.length >= this.#limits.pooledConnections) {
      connection.destroy();
      if (connections.length === 0) this.#idle.delete(target);
      return;
    }
    // A fifth before the promised end: a request sent in the last moment meets a closing connection.
    const promisedMs = keepAliveSeconds > 0 ? keepAliveSeconds * 800 : this.#limits.pooledMs;
    connection.use(undefined);
    connection.isReused = true;
    connection.idleSince = now;
    connection.idleUntil = now + Math.min(promisedMs, this.#limits.pooledMs);
    connections.push(connection);
  }

  /** Closes what nobody used in time. */
  sweep(now: number): void {
    for (const [target, connections] of this.#idle) {
      const kept = connections.filter((connection) => {
        if (!connection.isClosed && now < connection.idleUntil) return true;
        connection.destroy();
        return false;
      });
      if (kept.length === 0) this.#idle.delete(target);
      else if (kept.length < connections.length) this.#idle.set(target, kept);
    }
  }

  /** Closes the idle connections of an instance that left, so that its graceful stop need not wait for them. */
  forget(target: Target): void {
    for (const connection of this.#idle.get(target) ?? []) connection.destroy();
    this.#idle.delete(target);
  }

  close(): void {
    for (const target of [...this.#idle.keys()]) this.forget(target);
  }
}
