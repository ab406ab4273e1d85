// The connection pool and the one way to run a transaction. The controller makes one Database at start; queries/ take a Queryable.
// Must never be imported by any process but the controller.
import { AppError, systemCode } from '@berth/kit/errors.ts';
import pg from 'pg';

export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

export interface Database extends Queryable {
  /** Runs `work` in one transaction; a thrown error rolls back. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

// bigint columns here are counters far below 2^53: numbers read better than strings.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** `url`: a postgres:// URL; `?host=/path` names a unix socket folder. */
export function openDatabase(url: string, maxConnections = 12): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    // A database that is gone must give a clear error instead of a request that hangs.
    connectionTimeoutMillis: 10_000,
    // A statement stuck behind a lock must not pin a connection for ever.
    statement_timeout: 30_000,
  });
  pool.on('error', () => {}); // an idle connection broke; the pool opens a new one for the next query
  return {
    query: (text, values) => pool.query(text, values).catch(translate),
    close: () => pool.end(),
    transaction: async (work) => {
      const client = await pool.connect().catch(translate);
      try {
        await client.query('BEGIN');
        const result = await work(client);
        await client.query('COMMIT');
        client.release();
        return result;
      } catch (error) {
        await client.query('ROLLBACK').then(
          () => client.release(),
          () => client.release(true),
        );
        return translate(error);
      }
    },
  };
}

/** Gives the connection problems a code that callers can retry on; everything else passes. */
function translate(error: unknown): never {
  if (error instanceof AppError) throw error;
  const code = systemCode(error) ?? '';
  if (['ECONNREFUSED', 'ENOENT', 'ECONNRESET', '57P01', '57P03', '53300'].includes(code) || isTimeout(error))
    throw new AppError('unavailable', 'the database cannot be reached', { cause: error });
  if (code === '53100') throw new AppError('no_space', 'the disk of the database is full', { cause: error });
  throw error;
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    /timeout exceeded when trying to connect|Connection terminated/.test(error.message)
  );
}

/** True for a unique violation of the index named (SQLSTATE 23505). */
export function violates(error: unknown, index: string): boolean {
  return (
    systemCode(error) === '23505' &&
    typeof error === 'object' &&
    error !== null &&
    'constraint' in error &&
    error.constraint === index
  );
}

/** The only row, or undefined. */
export async function first<R extends pg.QueryResultRow>(
  db: Queryable,
  text: string,
  values?: unknown[],
): Promise<R | undefined> {
  return (await db.query<R>(text, values)).rows[0];
}

export async function all<R extends pg.QueryResultRow>(
  db: Queryable,
  text: string,
  values?: unknown[],
): Promise<R[]> {
  return (await db.query<R>(text, values)).rows;
}

/** This transaction's commit does not wait for the disk: only for facts that can be observed or said again. */
export async function commitLazily(tx: Queryable): Promise<void> {
  await tx.query('SET LOCAL synchronous_commit = off');
}

/** All reads of this transaction see one moment. Must be its first statement. */
export async function readSnapshot(tx: Queryable): Promise<void> {
  await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
}
