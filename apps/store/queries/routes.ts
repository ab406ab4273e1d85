// The facts that the route table is made from, and its version.
import { all, first, type Queryable } from '../database.ts';

export interface RouteFactsRow {
  hostname: string;
  app_id: string;
  app: string;
  release_number: number | null;
  web_quantity: number;
  /** Routed and ready web instances of the app. */
  targets: { instance: string; address: string; port: number }[];
  crashed: number;
}

/** Facts of all live hostnames, or of one app's. */
export function routeFacts(db: Queryable, appId: string | null): Promise<RouteFactsRow[]> {
  return all<RouteFactsRow & Record<string, unknown>>(
    db,
    `SELECT d.hostname, a.id AS app_id, a.name AS app, r.number AS release_number, coalesce(f.quantity, 0) AS web_quantity,
       coalesce(t.targets, '[]') AS targets, coalesce(t.crashed, 0)::integer AS crashed
     FROM domains d JOIN routes rt ON rt.domain_id = d.id JOIN apps a ON a.id = d.app_id
       LEFT JOIN releases r ON r.id = a.current_release_id
       LEFT JOIN formations f ON f.app_id = a.id AND f.process_type = rt.process_type
       LEFT JOIN LATERAL (
         SELECT jsonb_agg(jsonb_build_object('instance', i.id, 'address', i.address, 'port', i.port) ORDER BY i.slot)
             FILTER (WHERE i.routed AND i.state = 'ready' AND i.address IS NOT NULL) AS targets,
           count(*) FILTER (WHERE i.state = 'crashed' AND i.gen = a.current_gen) AS crashed
         FROM instances i WHERE i.app_id = a.id AND i.process_type = rt.process_type AND NOT i.one_off
       ) t ON true
     WHERE a.deleted_at IS NULL AND ($1::text IS NULL OR a.id = $1) ORDER BY d.hostname`,
    [appId],
  );
}

/** Takes the next version of the table; the row lock keeps versions in commit order. */
export async function nextRouteVersion(tx: Queryable): Promise<number> {
  const row = await first<{ value: number }>(
    tx,
    "UPDATE counters SET value = value + 1 WHERE name = 'route_version' RETURNING value",
  );
  return row?.value ?? 0;
}
