// Finds the system user that PostgreSQL and Redis run as. The bootstrap creates it.
import { readFileSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';

export interface SystemUser {
  uid: number;
  gid: number;
  home: string;
}

export function findUser(name: string, passwd = readFileSync('/etc/passwd', 'utf8')): SystemUser | undefined {
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid, , home] = line.split(':');
    if (user === name) return { uid: Number(uid), gid: Number(gid), home: home ?? '/' };
  }
  return undefined;
}

export function databaseUser(): SystemUser {
  const user = findUser('berth');
  if (user) return user;
  throw new AppError('invalid', 'the system user "berth" does not exist', {
    hint: 'start with `npm run up`, which creates it',
  });
}
