// The lines a pusher or a CLI follows. Losing the last of them in a crash is harmless, so they are written without waiting for the disk.
import { all, commitLazily, type Database, type Queryable } from '../database.ts';

export interface OutputRow {
  seq: number;
  text: string;
}

/** Appends texts in order, within a transaction of the caller. Callers append to one stream one at a time. */
export async function insertOutput(tx: Queryable, outputId: string, texts: string[]): Promise<void> {
  if (texts.length === 0) return;
  await tx.query(
    `INSERT INTO output (output_id, seq, text)
     SELECT $1, (SELECT coalesce(max(seq), 0) FROM output WHERE output_id = $1) + t.n, t.text
     FROM unnest($2::text[]) WITH ORDINALITY AS t(text, n)`,
    [outputId, texts],
  );
}

/** Appends texts in a transaction of their own. */
export async function appendOutput(db: Database, outputId: string, texts: string[]): Promise<void> {
  await db.transaction(async (tx) => {
    await commitLazily(tx);
    await insertOutput(tx, outputId, texts);
  });
}

export function outputAfter(
  db: Queryable,
  outputId: string,
  after: number,
  limit: number,
): Promise<OutputRow[]> {
  return all<{ seq: number; text: string }>(
    db,
    'SELECT seq, text FROM output WHERE output_id = $1 AND seq > $2 ORDER BY seq LIMIT $3',
    [outputId, after, limit],
  );
}
