// Users and their tokens. A token is 256 random bits; only its SHA-256 is stored.
import { createHash, randomBytes } from 'node:crypto';
import { first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface User {
  id: string;
  name: string;
  admin: boolean;
}

const hashOf = (token: string) => createHash('sha256').update(token).digest();

export async function createUser(db: Queryable, name: string, admin: boolean): Promise<User> {
  const user = { id: newId(), name, admin };
  await db.query('INSERT INTO users (id, name, admin) VALUES ($1, $2, $3)', [user.id, name, admin]);
  return user;
}

/** Makes a token and returns it; it is never readable again. */
export async function createToken(db: Queryable, userId: string): Promise<string> {
  const token = `berth_${randomBytes(32).toString('base64url')}`;
  await db.query('INSERT INTO tokens (id, user_id, hash, prefix) VALUES ($1, $2, $3, $4)', [
    newId(),
    userId,
    hashOf(token),
    token.slice(0, 10),
  ]);
  return token;
}

export async function userByToken(db: Queryable, token: string): Promise<User | undefined> {
  return first<User & { [k: string]: unknown }>(
    db,
    `SELECT u.id, u.name, u.admin FROM tokens t JOIN users u ON u.id = t.user_id
     WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now())`,
    [hashOf(token)],
  );
}

export async function userById(db: Queryable, id: string): Promise<User | undefined> {
  return first<User & { [k: string]: unknown }>(db, 'SELECT id, name, admin FROM users WHERE id = $1', [id]);
}

export async function anyUser(db: Queryable): Promise<boolean> {
  return (await first(db, 'SELECT 1 FROM users LIMIT 1')) !== undefined;
}
