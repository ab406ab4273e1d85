// Who sends a request, and may they touch this app? The one place that decides it. Everything not allowed here is refused.
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { type AppRow, appByName } from '@berth/store/queries/apps.ts';
import { type User, userByToken } from '@berth/store/queries/users.ts';

const maxTokenLength = 200;

/** The token in an Authorization header: Bearer, or Basic with the token as password (what git sends). Undefined when there is none. */
export function tokenOf(authorization: string | undefined | null): string | undefined {
  const match = /^(bearer|basic) +(\S+)\s*$/i.exec(authorization ?? '');
  const [, scheme, value] = match ?? [];
  if (!scheme || !value || value.length > 2 * maxTokenLength) return undefined;
  if (scheme.toLowerCase() === 'bearer') return value;
  const decoded = Buffer.from(value, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) return undefined;
  return decoded.slice(colon + 1) || decoded.slice(0, colon) || undefined;
}

export async function authenticate(db: Queryable, authorization: string | undefined | null): Promise<User> {
  const token = tokenOf(authorization);
  if (!token) throw new AppError('unauthorized', 'a token is needed', { hint: 'berth login' });
  const user = token.length <= maxTokenLength ? await userByToken(db, token) : undefined;
  if (!user) throw new AppError('unauthorized', 'the token is not valid', { hint: 'berth login' });
  return user;
}

/** The app by name, if the user may use it: its owner or an admin. */
export async function authorizeApp(db: Queryable, user: User, name: string): Promise<AppRow> {
  const app = await appByName(db, name);
  if (!app)
    throw new AppError('not_found', `there is no app "${name}"`, {
      hint: `berth apps, or: berth create ${name}`,
    });
  if (app.owner_id !== user.id && !user.admin)
    throw new AppError('forbidden', `the app "${name}" belongs to somebody else`, { hint: 'ask its owner' });
  return app;
}
