// Regular runs of apps: one row an entry of the current release's manifest. Moved on by the controller's clock alone.
import { all, type Queryable } from '../database.ts';

export interface CronRow {
  schedule: string;
  command: string;
  memory_mb: number;
  next_at: Date;
  last_name: string | null;
  last_at: Date | null;
  last_exit: number | null;
  /** The run before has not ended. */
  running: boolean;
  note: string | null;
}

export interface CronPlan {
  schedule: string;
  command: string;
  memoryMb: number;
  nextAt: Date;
}

const select = `SELECT c.schedule, c.command, c.memory_mb, c.next_at, c.last_name, c.last_at, c.note,
    coalesce(i.exit_code, c.last_exit) AS last_exit, (i.state IN ('pending', 'starting', 'ready')) IS TRUE AS running
  FROM cron_entries c LEFT JOIN instances i ON i.id = c.last_run`;

/** The entries become the given ones; an entry that was there already keeps its next minute and its last run. */
export async function replaceCron(tx: Queryable, appId: string, entries: readonly CronPlan[]): Promise<void> {
  const schedules = entries.map(({ schedule }) => schedule);
  const commands = entries.map(({ command }) => command);
  await tx.query(
    `DELETE FROM cron_entries WHERE app_id = $1
     AND (schedule, command) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))`,
    [appId, schedules, commands],
  );
  for (const [position, { schedule, command, memoryMb, nextAt }] of entries.entries())
    await tx.query(
      `INSERT INTO cron_entries (app_id, schedule, command, position, memory_mb, next_at) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (app_id, schedule, command) DO UPDATE SET position = $4, memory_mb = $5`,
      [appId, schedule, command, position, memoryMb, nextAt],
    );
}

export function listCron(db: Queryable, appId: string): Promise<CronRow[]> {
  return all<CronRow & Record<string, unknown>>(db, `${select} WHERE c.app_id = $1 ORDER BY c.position`, [
    appId,
  ]);
}

/** Living apps that have an entry whose minute has come. */
export async function appsWithDueCron(db: Queryable): Promise<string[]> {
  const rows = await all<{ app_id: string }>(
    db,
    `SELECT DISTINCT c.app_id FROM cron_entries c JOIN apps a ON a.id = c.app_id
     WHERE c.next_at <= now() AND a.deleted_at IS NULL`,
  );
  return rows.map((row) => row.app_id);
}

/** The app's row must be locked. `late_s`: how long the minute has been over. */
export function dueCron(tx: Queryable, appId: string): Promise<(CronRow & { late_s: number })[]> {
  return all<CronRow & { late_s: number } & Record<string, unknown>>(
    tx,
    `SELECT d.*, extract(epoch FROM now() - d.next_at)::integer AS late_s
     FROM (${select} WHERE c.app_id = $1) d WHERE d.next_at <= now()`,
    [appId],
  );
}

export async function moveCron(
  tx: Queryable,
  appId: string,
  entry: { schedule: string; command: string },
  move: { nextAt: Date; note: string | null; run?: { id: string; name: string } },
): Promise<void> {
  await tx.query(
    `UPDATE cron_entries SET next_at = $4, note = $5, last_run = coalesce($6, last_run), last_name = coalesce($7, last_name),
       last_at = CASE WHEN $6::text IS NULL THEN last_at ELSE now() END,
       last_exit = CASE WHEN $6::text IS NULL THEN last_exit END
     WHERE app_id = $1 AND schedule = $2 AND command = $3`,
    [
      appId,
      entry.schedule,
      entry.command,
      move.nextAt,
      move.note,
      move.run?.id ?? null,
      move.run?.name ?? null,
    ],
  );
}

/** Before the rows of ended runs go. */
export async function keepCronEnds(tx: Queryable, instanceIds: readonly string[]): Promise<void> {
  await tx.query(
    'UPDATE cron_entries c SET last_exit = i.exit_code FROM instances i WHERE i.id = ANY($1) AND c.last_run = i.id',
    [instanceIds],
  );
}
