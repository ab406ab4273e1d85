// Instances: one row a pod. The scheduler's actions and the host agents' reports change different columns of it.
import type { InstanceState, ObservedInstance } from '@berth/contract/instance.ts';
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface InstanceRow {
  id: string;
  app_id: string;
  release_id: string;
  gen: number;
  process_type: string;
  slot: number;
  host_id: string | null;
  one_off: boolean;
  command: string[] | null;
  terminal: { attach: boolean; tty: boolean; rows: number; cols: number } | null;
  desired: 'running' | 'stopped';
  state: InstanceState;
  routed: boolean;
  unrouted_version: number | null;
  unrouted_ms_ago: number | null;
  address: string | null;
  port: number | null;
  restarts: number;
  exit_code: number | null;
  fatal: string | null;
  message: string | null;
  tail: string | null;
  memory_mb: number;
  created_ms_ago: number;
  state_at: Date;
}

const columns = `id, app_id, release_id, gen, process_type, slot, host_id, one_off, command, terminal, desired, state, routed,
  unrouted_version, (extract(epoch FROM clock_timestamp() - unrouted_at) * 1000)::bigint AS unrouted_ms_ago, address, port, restarts,
  exit_code, fatal, message, tail, memory_mb, (extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint AS created_ms_ago, state_at`;

type Row = InstanceRow & Record<string, unknown>;

export interface NewInstance {
  appId: string;
  releaseId: string;
  gen: number;
  processType: string;
  slot: number;
  hostId: string | null;
  oneOff: boolean;
  memoryMb: number;
  command?: string[];
  terminal?: { attach: boolean; tty: boolean; rows: number; cols: number };
}

export async function insertInstance(tx: Queryable, instance: NewInstance): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO instances (id, app_id, release_id, gen, process_type, slot, host_id, one_off, memory_mb, command, terminal)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      id,
      instance.appId,
      instance.releaseId,
      instance.gen,
      instance.processType,
      instance.slot,
      instance.hostId,
      instance.oneOff,
      instance.memoryMb,
      instance.command ? JSON.stringify(instance.command) : null,
      instance.terminal ? JSON.stringify(instance.terminal) : null,
    ],
  );
  return id;
}

export function instancesOfApp(db: Queryable, appId: string): Promise<InstanceRow[]> {
  return all<Row>(db, `SELECT ${columns} FROM instances WHERE app_id = $1 ORDER BY process_type, slot, gen`, [
    appId,
  ]);
}

export function instancesOfHost(db: Queryable, hostId: string): Promise<InstanceRow[]> {
  return all<Row>(db, `SELECT ${columns} FROM instances WHERE host_id = $1`, [hostId]);
}

export function instanceById(db: Queryable, id: string): Promise<InstanceRow | undefined> {
  return first<Row>(db, `SELECT ${columns} FROM instances WHERE id = $1`, [id]);
}

/** What users call these instances ("web.1"), and whose they are. */
export function namesOfInstances(
  db: Queryable,
  ids: readonly string[],
): Promise<{ id: string; app_id: string; name: string }[]> {
  return all(
    db,
    "SELECT id, app_id, process_type || '.' || slot AS name FROM instances WHERE id = ANY($1) ORDER BY id",
    [ids],
  );
}

export async function placeInstance(
  tx: Queryable,
  appId: string,
  id: string,
  hostId: string,
): Promise<boolean> {
  const result = await tx.query(
    'UPDATE instances SET host_id = $3 WHERE id = $2 AND app_id = $1 AND host_id IS NULL',
    [appId, id, hostId],
  );
  return result.rowCount === 1;
}

/** Only a ready instance can be routed: anything else is a plan made from an older state. Returns how many changed. */
export async function routeInstances(tx: Queryable, appId: string, ids: string[]): Promise<number> {
  const result = await tx.query(
    `UPDATE instances SET routed = true, unrouted_version = NULL, unrouted_at = NULL
     WHERE app_id = $1 AND id = ANY($2) AND state = 'ready' AND desired = 'running'`,
    [appId, ids],
  );
  return result.rowCount ?? 0;
}

export async function unrouteInstances(
  tx: Queryable,
  appId: string,
  ids: string[],
  version: number,
): Promise<void> {
  await tx.query(
    `UPDATE instances SET routed = false, unrouted_version = $3, unrouted_at = clock_timestamp()
     WHERE app_id = $1 AND id = ANY($2) AND routed`,
    [appId, ids, version],
  );
}

export async function stopInstances(tx: Queryable, appId: string, ids: string[]): Promise<void> {
  await tx.query(
    "UPDATE instances SET desired = 'stopped' WHERE app_id = $1 AND id = ANY($2) AND NOT routed",
    [appId, ids],
  );
}

export async function loseInstances(tx: Queryable, appId: string, ids: string[]): Promise<void> {
  await tx.query(
    "UPDATE instances SET state = 'lost', routed = false, state_at = now(), message = 'its host is gone' WHERE app_id = $1 AND id = ANY($2)",
    [appId, ids],
  );
}

export async function forgetInstances(tx: Queryable, appId: string, ids: string[]): Promise<void> {
  await tx.query(
    "DELETE FROM instances WHERE app_id = $1 AND id = ANY($2) AND (state IN ('stopped', 'lost') OR host_id IS NULL)",
    [appId, ids],
  );
}

/** Writes a host's report; rows of other hosts are left alone. Returns the apps that changed. */
export async function writeObserved(
  tx: Queryable,
  hostId: string,
  observed: ObservedInstance[],
): Promise<string[]> {
  const rows = await all<{ app_id: string }>(
    tx,
    `UPDATE instances i SET state = o.state, state_at = CASE WHEN i.state = o.state THEN i.state_at ELSE now() END,
       address = o.address, port = o.port, container = o.container, restarts = o.restarts, exit_code = o."exitCode",
       message = o.message, fatal = o.fatal, tail = o.tail
     FROM jsonb_to_recordset($2) AS o(id text, state text, address text, port integer, container text, restarts integer,
       "exitCode" integer, message text, fatal text, tail text)
     WHERE i.id = o.id AND i.host_id = $1 RETURNING i.app_id`,
    [hostId, JSON.stringify(observed)],
  );
  return [...new Set(rows.map((row) => row.app_id))];
}
