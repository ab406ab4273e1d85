// The route table in memory, as routers are told it, and what routers have acknowledged.
// Made from rows; every change of rows that may move a route is followed by refresh(). Publishing is one after another, so versions only go up.
import type { Route, RouteAck, RouteUpdate } from '@berth/contract/route.ts';
import type { Database } from '@berth/store/database.ts';
import { nextRouteVersion, type RouteFactsRow, routeFacts } from '@berth/store/queries/routes.ts';
import type { Bells } from './bells.ts';

interface RouterState {
  version: number;
  send: (update: RouteUpdate) => void;
  inFlight: Map<string, number>;
}

/** A router that does not acknowledge within this time is treated as cut off: it serves from its last table, and deploys go on. */
const ackLimitMs = 3000;

/** A drain ends after 30 s at the latest; until then acknowledgements of an app's removed targets are news. */
const drainInterestMs = 35_000;

export class RouteTable {
  readonly #db: Database;
  readonly #bells: Bells;
  readonly #routers = new Map<string, RouterState>();
  #routes = new Map<string, Route>();
  #hostsOfApp = new Map<string, string[]>();
  readonly #moved = new Map<string, number>();
  readonly #onDrained: (appId: string) => void;
  #chain: Promise<unknown> = Promise.resolve();
  version = 0;

  /** `onDrained` is told each app whose removed targets somebody may be waiting for, whenever a router acknowledges. */
  constructor(db: Database, bells: Bells, onDrained: (appId: string) => void) {
    this.#db = db;
    this.#bells = bells;
    this.#onDrained = onDrained;
  }

  /** Reads everything; called once at start. A new version makes every router's old acknowledgement count no more. */
  async load(): Promise<void> {
    this.version = await this.#db.transaction(nextRouteVersion);
    for (const facts of await routeFacts(this.#db, null)) this.#put(facts.app_id, toRoute(facts));
  }

  /**
   * Reads the app's routes again and tells routers. With a version (taken in the changing transaction) that version is published even
   * when nothing differs, since somebody waits for its acknowledgement; without one, only a difference makes a new version.
   */
  refresh(appId: string, version?: number): Promise<void> {
    const work = this.#chain.then(() => this.#refresh(appId, version));
    this.#chain = work.catch(() => {});
    return work;
  }

  async #refresh(appId: string, version?: number): Promise<void> {
    const facts = await routeFacts(this.#db, appId);
    const fresh = facts.map(toRoute);
    const before = this.#hostsOfApp.get(appId) ?? [];
    const set = fresh.filter(
      (route) => JSON.stringify(route) !== JSON.stringify(this.#routes.get(route.host)),
    );
    const remove = before.filter((host) => !fresh.some((route) => route.host === host));
    if (set.length === 0 && remove.length === 0 && version === undefined) return;
    if (version !== undefined) this.#moved.set(appId, performance.now() + drainInterestMs);
    const next = version ?? (await this.#db.transaction(nextRouteVersion));
    for (const host of remove) this.#routes.delete(host);
    this.#hostsOfApp.set(appId, []);
    for (const route of fresh) this.#put(appId, route);
    this.version = Math.max(this.version, next);
    for (const router of this.#routers.values()) router.send({ version: this.version, set, remove });
    this.#bells.ring('routes');
  }

  #put(appId: string, route: Route): void {
    this.#routes.set(route.host, route);
    this.#hostsOfApp.set(appId, [...(this.#hostsOfApp.get(appId) ?? []), route.host]);
  }

  /** A router subscribes: it gets the full table at once and every change after it. Returns how to unsubscribe. */
  subscribe(router: string, send: (update: RouteUpdate) => void): () => void {
    const state: RouterState = { version: 0, send, inFlight: new Map() };
    this.#routers.set(router, state);
    send({ version: this.version, full: true, routes: [...this.#routes.values()] });
    return () => {
      if (this.#routers.get(router) === state) this.#routers.delete(router);
      this.#bells.ring('acks');
    };
  }

  ack(ack: RouteAck): void {
    const state = this.#routers.get(ack.router);
    if (!state) return;
    state.version = Math.max(state.version, ack.version);
    state.inFlight = new Map(ack.draining.map((entry) => [entry.instance, entry.inFlight]));
    this.#bells.ring('acks');
    for (const [appId, until] of this.#moved) {
      this.#onDrained(appId);
      if (performance.now() > until) this.#moved.delete(appId);
    }
  }

  /** The lowest version that all connected routers have acknowledged; null without routers. */
  acked(): number | null {
    if (this.#routers.size === 0) return null;
    return Math.min(...[...this.#routers.values()].map((router) => router.version));
  }

  /** Requests still open to a removed target over all routers that have seen it leave. */
  inFlight(instance: string): number {
    let sum = 0;
    for (const router of this.#routers.values()) sum += router.inFlight.get(instance) ?? 0;
    return sum;
  }

  /** Waits until every connected router serves `version` or the limit is over; true when they do. */
  async waitAcked(version: number): Promise<boolean> {
    const watch = this.#bells.watch('acks');
    const deadline = performance.now() + ackLimitMs;
    try {
      while (performance.now() < deadline) {
        const acked = this.acked();
        if (acked !== null && acked >= version) return true;
        await watch.wait(deadline - performance.now());
      }
      return false;
    } finally {
      watch.close();
    }
  }
}

function toRoute(facts: RouteFactsRow): Route {
  const state = stateOf(facts);
  return {
    host: facts.hostname,
    app: facts.app,
    release: facts.release_number,
    state,
    targets: facts.targets,
  };
}

function stateOf(facts: RouteFactsRow): Route['state'] {
  if (facts.targets.length > 0) return 'live';
  if (facts.release_number === null) return 'blank';
  if (facts.web_quantity === 0) return 'stopped';
  return facts.crashed > 0 ? 'crashed' : 'starting';
}
