// `--chown`: names of users and groups as the stage's own /etc/passwd and /etc/group have them. The files are read, never executed.
import { AppError } from '@berth/kit/errors.ts';
import { readImageFile } from '../images/image-file.ts';

export interface Owner {
  uid: number;
  gid: number;
}

const maxId = 2 ** 32 - 2;

/** `layerDirs`: lowest first. */
export function ownerOf(chown: string, layerDirs: string[]): Owner {
  const [user = '', group, ...rest] = chown.split(':');
  if (rest.length > 0 || (user === '' && !group)) throw unknownOwner(chown, 'write user or user:group');
  const account = user === '' ? { id: 0, gid: 0 } : userOf(user, chown, layerDirs);
  if (group === undefined || group === '') return { uid: account.id, gid: account.gid };
  return { uid: account.id, gid: groupOf(group, chown, layerDirs) };
}

function userOf(user: string, chown: string, layerDirs: string[]): { id: number; gid: number } {
  const id = numeric(user);
  // Docker's rule: a number without a group is both.
  if (id !== undefined) return { id, gid: id };
  const entry = entryOf('/etc/passwd', user, layerDirs);
  if (!entry) throw unknownOwner(chown, `can't find uid for user ${user}: no such user in the image`);
  return { id: numeric(entry[2] ?? '') ?? 0, gid: numeric(entry[3] ?? '') ?? 0 };
}

function groupOf(group: string, chown: string, layerDirs: string[]): number {
  const id = numeric(group);
  if (id !== undefined) return id;
  const entry = entryOf('/etc/group', group, layerDirs);
  if (!entry) throw unknownOwner(chown, `can't find gid for group ${group}: no such group in the image`);
  return numeric(entry[2] ?? '') ?? 0;
}

function entryOf(file: string, name: string, layerDirs: string[]): string[] | undefined {
  let text: string;
  try {
    text = readImageFile(layerDirs, file).toString('utf8');
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .find(([first]) => first === name);
}

function numeric(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  return Number(text) <= maxId ? Number(text) : undefined;
}

function unknownOwner(chown: string, why: string): AppError {
  return new AppError('bad_request', `unable to use --chown=${chown.slice(0, 80)}: ${why.slice(0, 200)}`);
}
