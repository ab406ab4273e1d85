// Brings the database's tables up to this version. The controller runs it at start; two at once wait for each other.
// Must never edit an applied migration: forward only, one file each, numbered without gaps.
import { readdir, readFile } from 'node:fs/promises';
import { AppError } from '@berth/kit/errors.ts';
import { all, type Database } from './database.ts';

const folder = new URL('migrations/', import.meta.url);
/** Any constant: two controllers that start at once must not both migrate. */
const lockKey = 7_262_211;

/** Applies what is missing and returns the numbers applied. A database from a newer version is refused, untouched. */
export async function migrate(db: Database): Promise<number[]> {
  const files = (await readdir(folder)).filter((name) => /^\d{6}-.*\.sql$/.test(name)).sort();
  return db.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [lockKey]);
    await tx.query(
      'CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
    );
    const done = new Set(
      (await all<{ number: number }>(tx, 'SELECT number FROM migrations')).map((row) => row.number),
    );
    const newest = Math.max(0, ...done);
    if (newest > files.length)
      throw new AppError(
        'invalid',
        `the database is at migration ${newest}, this version knows ${files.length}`,
        {
          hint: 'start the newer version of Berth that made it',
        },
      );
    const applied: number[] = [];
    for (const name of files) {
      const number = Number(name.slice(0, 6));
      if (done.has(number)) continue;
      await tx.query(await readFile(new URL(name, folder), 'utf8'));
      await tx.query('INSERT INTO migrations (number, name) VALUES ($1, $2)', [number, name]);
      applied.push(number);
    }
    return applied;
  });
}
