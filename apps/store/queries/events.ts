// The append-only record of every change. Each operation writes its row in its own transaction.
import type { Queryable } from '../database.ts';

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
