// At the first start there is nobody: makes the user "admin" and leaves its token in a file that only root can read.
import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '@berth/store/database.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { anyUser, createToken, createUser } from '@berth/store/queries/users.ts';

/** Returns the file's path when it was made now. The row is written last: a crash before it leaves nothing but a file with a dead token. */
export async function ensureAdmin(db: Database, dataFolder: string): Promise<string | undefined> {
  if (await anyUser(db)) return undefined;
  const file = join(dataFolder, 'admin-token');
  await db.transaction(async (tx) => {
    const user = await createUser(tx, 'admin', true);
    const token = await createToken(tx, user.id);
    await recordEvent(tx, { userId: user.id, kind: 'user.create', data: { name: 'admin' } });
    const temporary = `${file}.new`;
    await writeFile(temporary, `${token}\n`, { mode: 0o600 });
    await chmod(temporary, 0o600);
    await rename(temporary, file);
  });
  return file;
}
