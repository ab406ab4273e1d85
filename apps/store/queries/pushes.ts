// Pushes: what was received, and how each ended.
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export type PushStatus = 'open' | 'accepted' | 'rejected' | 'superseded' | 'abandoned';

export interface PushRow {
  id: string;
  app_id: string;
  user_id: string;
  old_oid: string;
  /** null: an image was deployed. */
  new_oid: string | null;
  status: PushStatus;
  reason: string | null;
  landed: boolean;
  build_id: string | null;
  build_status: string | null;
}

const selectPush = `SELECT p.id, p.app_id, p.user_id, p.old_oid, p.new_oid, p.status, p.reason, p.landed, b.id AS build_id, b.status AS build_status
  FROM pushes p LEFT JOIN builds b ON b.push_id = p.id`;

export async function insertPush(
  tx: Queryable,
  push: {
    appId: string;
    userId: string;
    ref: string;
    oldOid: string;
    newOid: string | null;
    treeOid: string | null;
  },
): Promise<string> {
  const id = newId();
  await tx.query(
    'INSERT INTO pushes (id, app_id, user_id, ref, old_oid, new_oid, tree_oid) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [id, push.appId, push.userId, push.ref, push.oldOid, push.newOid, push.treeOid],
  );
  return id;
}

export function pushById(db: Queryable, id: string): Promise<PushRow | undefined> {
  return first<PushRow & Record<string, unknown>>(db, `${selectPush} WHERE p.id = $1`, [id]);
}

/** Pushes whose answer is not known to git yet, oldest first. */
export function unfinishedPushes(db: Queryable, appId: string): Promise<PushRow[]> {
  return all<PushRow & Record<string, unknown>>(
    db,
    `${selectPush} WHERE p.app_id = $1 AND (p.status = 'open' OR (p.status = 'accepted' AND NOT p.landed AND p.finished_at > now() - interval '5 seconds'))
     ORDER BY p.created_at`,
    [appId],
  );
}

/** Open pushes that nobody has followed for a while are found here by the sweeper. */
export function openPushes(db: Queryable): Promise<{ id: string }[]> {
  return all<{ id: string }>(
    db,
    "SELECT id FROM pushes WHERE status = 'open' AND created_at < now() - interval '60 seconds'",
  );
}

/** Ends an open push; false when it had ended already. */
export async function endPush(
  tx: Queryable,
  id: string,
  status: PushStatus,
  reason: string | null,
): Promise<boolean> {
  const result = await tx.query(
    "UPDATE pushes SET status = $2, reason = $3, finished_at = now() WHERE id = $1 AND status = 'open'",
    [id, status, reason],
  );
  return result.rowCount === 1;
}

export async function markLanded(db: Queryable, id: string): Promise<void> {
  await db.query('UPDATE pushes SET landed = true WHERE id = $1', [id]);
}
