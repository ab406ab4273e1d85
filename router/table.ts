// The route table: hostname to app to healthy instances, changed in place by the controller's updates and read by every request.
// One thread, so a change is whole between two requests. Must never hand out an instance that an applied update took away.
import type { Route, RouteState, RouteTarget, RouteUpdate } from '@berth/contract/route.ts';

/** An instance that gets requests, shared by all hosts of its app. */
export interface Target {
  readonly instance: string;
  readonly address: string;
  readonly port: number;
  /** Requests and WebSockets between choice and end. Set by the proxy. */
  inFlight: number;
  /** No request before this time if another instance will do. Set after a failed connection. */
  ejectedUntil: number;
  /** How many hosts point here; 0: it left the table. */
  references: number;
}

/** One app as the router sees it. */
export interface AppTraffic {
  readonly name: string;
  requests: number;
  errors: number;
  inFlight: number;
}

export interface HostEntry {
  readonly host: string;
  readonly app: AppTraffic;
  readonly state: RouteState;
  readonly release: number | null;
  readonly targets: Target[];
}

export interface TableEvents {
  /** An instance left: its idle connections must close. */
  targetLeft(target: Target): void;
  /** A left instance has no request in flight any more. */
  targetDrained(target: Target): void;
  /** The table changed: waiting requests look again. */
  changed(): void;
}

export class RouteTable {
  version = 0;
  /** False until a table came from the controller or the disk: an unknown host proves nothing before. */
  isKnown = false;
  readonly #entries = new Map<string, HostEntry>();
  readonly #routes = new Map<string, Route>();
  readonly #targets = new Map<string, Target>();
  readonly #apps = new Map<string, AppTraffic>();
  readonly #draining = new Set<Target>();
  readonly #events: TableEvents;

  constructor(events: TableEvents) {
    this.#events = events;
  }

  get hostCount(): number {
    return this.#entries.size;
  }

  routes(): Route[] {
    return [...this.#routes.values()];
  }

  apps(): AppTraffic[] {
    return [...this.#apps.values()];
  }

  /** Instances that left with requests in flight. */
  draining(): { instance: string; inFlight: number }[] {
    return [...this.#draining].map(({ instance, inFlight }) => ({ instance, inFlight }));
  }

  /** The entry for a Host header's value: exact first, then `*.` of the nearest parent. */
  find(hostHeader: string): HostEntry | undefined {
    const exact = this.#entries.get(hostHeader);
    if (exact) return exact;
    const host = hostnameOf(hostHeader);
    const entry = this.#entries.get(host);
    if (entry) return entry;
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const wildcard = this.#entries.get(`*${host.slice(dot)}`);
      if (wildcard) return wildcard;
    }
    return undefined;
  }

  apply(update: RouteUpdate): void {
    const set = update.full ? update.routes : update.set;
    const remove = update.full ? this.#missingFrom(update.routes) : update.remove;
    const before = new Set<Target>();
    // New references first: an instance that only moves between hosts never leaves.
    for (const route of set) this.#setRoute(route, before);
    for (const host of remove) this.#removeRoute(hostnameOf(host), before);
    this.version = update.version;
    this.isKnown = true;
    for (const target of before) if (target.references === 0) this.#leave(target);
    this.#forgetApps();
    this.#events.changed();
  }

  #missingFrom(routes: Route[]): string[] {
    const wanted = new Set(routes.map((route) => hostnameOf(route.host)));
    return [...this.#entries.keys()].filter((host) => !wanted.has(host));
  }

  /** Counts of destroyed apps go once they outnumber the living: names must not pile up. */
  #forgetApps(): void {
    if (this.#apps.size <= 2 * this.#entries.size + 100) return;
    const living = new Set([...this.#entries.values()].map((entry) => entry.app.name));
    for (const app of this.#apps.values())
      if (app.inFlight === 0 && !living.has(app.name)) this.#apps.delete(app.name);
  }

  #setRoute(route: Route, before: Set<Target>): void {
    const host = hostnameOf(route.host);
    const targets = route.targets.map((target) => this.#enter(target));
    this.#removeRoute(host, before);
    this.#entries.set(host, {
      host,
      app: this.app(route.app),
      state: route.state,
      release: route.release,
      targets,
    });
    this.#routes.set(host, route);
  }

  #removeRoute(host: string, before: Set<Target>): void {
    const entry = this.#entries.get(host);
    if (!entry) return;
    this.#entries.delete(host);
    this.#routes.delete(host);
    for (const target of entry.targets) {
      target.references--;
      before.add(target);
    }
  }

  #enter({ instance, address, port }: RouteTarget): Target {
    const key = `${instance} ${address} ${port}`;
    let target = this.#targets.get(key);
    if (!target) {
      target = { instance, address, port, inFlight: 0, ejectedUntil: 0, references: 0 };
      this.#targets.set(key, target);
    }
    target.references++;
    return target;
  }

  #leave(target: Target): void {
    this.#targets.delete(`${target.instance} ${target.address} ${target.port}`);
    if (target.inFlight > 0) this.#draining.add(target);
    this.#events.targetLeft(target);
  }

  app(name: string): AppTraffic {
    let app = this.#apps.get(name);
    if (!app) {
      app = { name, requests: 0, errors: 0, inFlight: 0 };
      this.#apps.set(name, app);
    }
    return app;
  }

  /** Counts a request's end at its instance; tells when that was a leaving instance's last one. */
  release(target: Target): void {
    target.inFlight--;
    if (target.references > 0 || target.inFlight > 0 || !this.#draining.delete(target)) return;
    this.#events.targetDrained(target);
  }
}

/** A Host value without port and trailing dot, in lower case. */
export function hostnameOf(hostHeader: string): string {
  let host = hostHeader;
  if (!host.startsWith('[')) {
    const colon = host.lastIndexOf(':');
    if (colon !== -1) host = host.slice(0, colon);
  }
  if (host.endsWith('.')) host = host.slice(0, -1);
  return host.toLowerCase();
}
