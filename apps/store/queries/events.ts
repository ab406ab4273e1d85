// The append-only record of every change. Each operation writes its row in its own transaction.
import { all, type Queryable } from '../database.ts';

export interface NewEvent {
  appId?: string;
  userId?: string;
  /** noun.verb: "app.create", "release.create", "deployment.failed". */
  kind: string;
  /** Never a secret: names of config vars, never their values. */
  data?: Record<string, unknown>;
}

export async function recordEvent(db: Queryable, event: NewEvent): Promise<void> {
  await db.query('INSERT INTO events (app_id, user_id, kind, data) VALUES ($1, $2, $3, $4)', [
    event.appId ?? null,
    event.userId ?? null,
    event.kind,
    JSON.stringify(event.data ?? {}),
  ]);
}

export interface CrashRow {
  id: number;
  data: { process?: string; message?: string | null };
  created_at: Date;
}

/** The newest `limit` crashes of an app's instances after event `afterId`, oldest first. */
export async function crashesOfApp(
  db: Queryable,
  appId: string,
  afterId: number,
  limit: number,
): Promise<CrashRow[]> {
  const rows = await all<CrashRow & Record<string, unknown>>(
    db,
    `SELECT id, data, created_at FROM events WHERE app_id = $1 AND id > $2 AND kind = 'instance.crashed'
     ORDER BY id DESC LIMIT $3`,
    [appId, afterId, limit],
  );
  return rows.reverse();
}
