// Encrypted sets of config vars, one immutable row a version. Encryption itself is the controller's (seal-config.ts).
import { first, type Queryable } from '../database.ts';

export interface SealedConfig {
  kekId: string;
  wrappedKey: Buffer;
  ciphertext: Buffer;
}

export async function insertConfigVersion(
  tx: Queryable,
  appId: string,
  number: number,
  userId: string,
  sealed: SealedConfig,
): Promise<void> {
  await tx.query(
    'INSERT INTO config_versions (app_id, number, kek_id, wrapped_key, ciphertext, user_id) VALUES ($1, $2, $3, $4, $5, $6)',
    [appId, number, sealed.kekId, sealed.wrappedKey, sealed.ciphertext, userId],
  );
  await tx.query('UPDATE apps SET config_number = $2 WHERE id = $1', [appId, number]);
}

export async function sealedConfig(
  db: Queryable,
  appId: string,
  number: number,
): Promise<SealedConfig | undefined> {
  const row = await first<{ kek_id: string; wrapped_key: Buffer; ciphertext: Buffer }>(
    db,
    'SELECT kek_id, wrapped_key, ciphertext FROM config_versions WHERE app_id = $1 AND number = $2',
    [appId, number],
  );
  return row && { kekId: row.kek_id, wrappedKey: row.wrapped_key, ciphertext: row.ciphertext };
}

/** The app's config vars are those of an earlier version from now on. */
export async function pointAtConfig(tx: Queryable, appId: string, number: number): Promise<void> {
  await tx.query('UPDATE apps SET config_number = $2 WHERE id = $1', [appId, number]);
}
