// Apps, their built-in domain and their formation.
import type { ReleaseManifest } from '@berth/contract/manifest.ts';
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface AppRow {
  id: string;
  name: string;
  owner_id: string;
  owner: string;
  deploy_branch: string;
  config_number: number;
  buildpacks: string[];
  stack: string | null;
  current_release_id: string | null;
  current_number: number | null;
  current_gen: number;
  version: number;
  created_at: Date;
  deleted_at: Date | null;
}

const selectApp = `SELECT a.id, a.name, a.owner_id, u.name AS owner, a.deploy_branch, a.config_number, a.buildpacks, a.stack, a.current_release_id,
    r.number AS current_number, a.current_gen, a.version, a.created_at, a.deleted_at
  FROM apps a JOIN users u ON u.id = a.owner_id LEFT JOIN releases r ON r.id = a.current_release_id`;

export async function insertApp(db: Queryable, name: string, ownerId: string): Promise<string> {
  const id = newId();
  await db.query('INSERT INTO apps (id, name, owner_id) VALUES ($1, $2, $3)', [id, name, ownerId]);
  return id;
}

export function appByName(db: Queryable, name: string): Promise<AppRow | undefined> {
  return first<AppRow & Record<string, unknown>>(
    db,
    `${selectApp} WHERE a.name = $1 AND a.deleted_at IS NULL`,
    [name],
  );
}

export function appById(db: Queryable, id: string): Promise<AppRow | undefined> {
  return first<AppRow & Record<string, unknown>>(db, `${selectApp} WHERE a.id = $1`, [id]);
}

/** Apps the user may see: their own; an admin sees all. */
export function listApps(db: Queryable, userId: string, admin: boolean): Promise<AppRow[]> {
  return all<AppRow & Record<string, unknown>>(
    db,
    `${selectApp} WHERE a.deleted_at IS NULL AND ($2 OR a.owner_id = $1) ORDER BY a.name`,
    [userId, admin],
  );
}

/** Takes the app's row lock until the transaction ends: all changes of one app are one after another. */
export async function lockApp(tx: Queryable, id: string): Promise<AppRow | undefined> {
  await tx.query('SELECT 1 FROM apps WHERE id = $1 FOR UPDATE', [id]);
  return appById(tx, id);
}

/** Takes the row locks of the apps whose instances these are, always in one order: two that lock several apps never wait for each other. */
export async function lockAppsOfInstances(tx: Queryable, instanceIds: readonly string[]): Promise<void> {
  await tx.query(
    `SELECT 1 FROM apps WHERE id IN (SELECT app_id FROM instances WHERE id = ANY($1)) ORDER BY id FOR NO KEY UPDATE`,
    [instanceIds],
  );
}

/** Marks that something the scheduler plans from has changed. */
export async function touchApp(tx: Queryable, id: string): Promise<number> {
  const row = await first<{ version: number }>(
    tx,
    'UPDATE apps SET version = version + 1 WHERE id = $1 RETURNING version',
    [id],
  );
  return row?.version ?? 0;
}

export async function setBuildpacks(
  tx: Queryable,
  appId: string,
  buildpacks: readonly string[],
): Promise<void> {
  await tx.query('UPDATE apps SET buildpacks = $2 WHERE id = $1', [appId, JSON.stringify(buildpacks)]);
}

export async function setStack(tx: Queryable, appId: string, stack: string | null): Promise<void> {
  await tx.query('UPDATE apps SET stack = $2 WHERE id = $1', [appId, stack]);
}

export type Counter = 'next_release' | 'next_build' | 'next_config' | 'next_gen' | 'next_run';

/** Takes the next number of a gap-free series; a rolled-back transaction gives it back. */
export async function takeNumber(tx: Queryable, appId: string, counter: Counter): Promise<number> {
  const row = await first<{ taken: number }>(
    tx,
    `UPDATE apps SET ${counter} = ${counter} + 1 WHERE id = $1 RETURNING ${counter} - 1 AS taken`,
    [appId],
  );
  if (!row) throw new Error(`no app "${appId}"`);
  return row.taken;
}

export async function markDeleted(tx: Queryable, id: string): Promise<void> {
  await tx.query('UPDATE apps SET deleted_at = now() WHERE id = $1', [id]);
  await tx.query('DELETE FROM domains WHERE app_id = $1', [id]);
  await tx.query('DELETE FROM cron_entries WHERE app_id = $1', [id]);
}

export async function insertBuiltinDomain(tx: Queryable, appId: string, hostname: string): Promise<void> {
  const id = newId();
  await tx.query('INSERT INTO domains (id, app_id, hostname, builtin) VALUES ($1, $2, $3, true)', [
    id,
    appId,
    hostname,
  ]);
  await tx.query('INSERT INTO routes (domain_id) VALUES ($1)', [id]);
}

/** The platform's domain may have changed since the apps were made: their built-in hostnames follow it. */
export async function renameBuiltinDomains(db: Queryable, domain: string): Promise<void> {
  await db.query(
    `UPDATE domains d SET hostname = a.name || '.' || $1 FROM apps a
     WHERE a.id = d.app_id AND d.builtin AND d.hostname <> a.name || '.' || $1`,
    [domain],
  );
}

export interface FormationRow {
  process_type: string;
  quantity: number;
  memory_mb: number;
}

export function listFormation(db: Queryable, appId: string): Promise<FormationRow[]> {
  return all<FormationRow & Record<string, unknown>>(
    db,
    'SELECT process_type, quantity, memory_mb FROM formations WHERE app_id = $1 ORDER BY process_type',
    [appId],
  );
}

/** Adds rows for process types seen for the first time: as the manifest wants, else one web instance and none of the others. */
export async function addFormationRows(
  tx: Queryable,
  appId: string,
  processTypes: string[],
  wanted: ReleaseManifest['formation'] = {},
): Promise<void> {
  await tx.query(
    `INSERT INTO formations (app_id, process_type, quantity, memory_mb)
     SELECT $1, t, coalesce(q, CASE WHEN t = 'web' THEN 1 ELSE 0 END), coalesce(m, 512)
     FROM unnest($2::text[], $3::integer[], $4::integer[]) AS u (t, q, m) ON CONFLICT DO NOTHING`,
    [
      appId,
      processTypes,
      processTypes.map((type) => wanted[type]?.quantity ?? null),
      processTypes.map((type) => wanted[type]?.memoryMb ?? null),
    ],
  );
}

/** Config vars that a user has unset: no manifest sets them. */
export async function listUnsetVars(db: Queryable, appId: string): Promise<string[]> {
  const row = await first<{ unset_vars: string[] }>(db, 'SELECT unset_vars FROM apps WHERE id = $1', [appId]);
  return row?.unset_vars ?? [];
}

export async function changeUnsetVars(
  tx: Queryable,
  appId: string,
  change: { unset: readonly string[]; set: readonly string[] },
): Promise<void> {
  await tx.query(
    `UPDATE apps SET unset_vars = ARRAY(
       SELECT unnest(unset_vars || $2::text[]) EXCEPT SELECT unnest($3::text[]) ORDER BY 1) WHERE id = $1`,
    [appId, change.unset, change.set],
  );
}

export async function setFormation(
  tx: Queryable,
  appId: string,
  processType: string,
  change: { quantity?: number; memoryMb?: number },
): Promise<void> {
  await tx.query(
    `INSERT INTO formations (app_id, process_type, quantity, memory_mb) VALUES ($1, $2, coalesce($3, 0), coalesce($4, 512))
     ON CONFLICT (app_id, process_type) DO UPDATE
     SET quantity = coalesce($3, formations.quantity), memory_mb = coalesce($4, formations.memory_mb)`,
    [appId, processType, change.quantity ?? null, change.memoryMb ?? null],
  );
}

/** Every app that the scheduler may have work for: those that live, and dead ones that still have instances. */
export async function schedulableApps(db: Queryable): Promise<string[]> {
  const rows = await all<{ id: string }>(
    db,
    'SELECT id FROM apps a WHERE deleted_at IS NULL OR EXISTS (SELECT 1 FROM instances i WHERE i.app_id = a.id)',
  );
  return rows.map((row) => row.id);
}
