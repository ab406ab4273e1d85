// The route table as routers receive it, and how they acknowledge it.
import { type Static, Type } from '@sinclair/typebox';

/** A healthy, routed instance. */
export interface RouteTarget {
  instance: string;
  address: string;
  port: number;
}

/** blank: no release yet. starting: a release but no target yet. crashed: its instances crash. stopped: scaled to 0. */
export type RouteState = 'live' | 'blank' | 'starting' | 'crashed' | 'stopped';

export interface Route {
  /** A hostname, lower case, or `*.suffix`. */
  host: string;
  app: string;
  release: number | null;
  state: RouteState;
  targets: RouteTarget[];
}

/** `GET /internal/routes/stream?router=&version=`: NDJSON; the first line is full; blank lines are keep-alives (every 2 s). */
export type RouteUpdate =
  | { version: number; full: true; routes: Route[] }
  | { version: number; full?: false; set: Route[]; remove: string[] };

/** `POST /internal/routes/ack`: sent after a table is in force, and again when a removed target's requests have ended. */
export const RouteAck = Type.Object({
  router: Type.String(),
  version: Type.Integer(),
  draining: Type.Array(Type.Object({ instance: Type.String(), inFlight: Type.Integer() })),
});
export type RouteAck = Static<typeof RouteAck>;
