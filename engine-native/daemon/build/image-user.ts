// `--chown`: names of users and groups as the stage's own /etc/passwd and /etc/group have them. The files are read, never executed.
import { AppError } from '@berth/kit/errors.ts';
import { readSmallFile } from '../archive/read-small-file.ts';
import type { ArchiveRoot, Helper } from '../runtime/helper.ts';

export interface Owner {
  uid: number;
  gid: number;
}

const maxId = 2 ** 32 - 2;

export async function ownerOf(chown: string, root: ArchiveRoot, helper: Helper): Promise<Owner> {
  const [user = '', group, ...rest] = chown.split(':');
  if (rest.length > 0 || (user === '' && !group)) throw unknownOwner(chown, 'write user or user:group');
  const account = user === '' ? { id: 0, gid: 0 } : await userOf(user, chown, root, helper);
  if (group === undefined || group === '') return { uid: account.id, gid: account.gid };
  return { uid: account.id, gid: await groupOf(group, chown, root, helper) };
}

async function userOf(
  user: string,
  chown: string,
  root: ArchiveRoot,
  helper: Helper,
): Promise<{ id: number; gid: number }> {
  const id = numeric(user);
  // Docker's rule: a number without a group is both.
  if (id !== undefined) return { id, gid: id };
  const entry = await entryOf('/etc/passwd', user, root, helper);
  if (!entry) throw unknownOwner(chown, `can't find uid for user ${user}: no such user in the image`);
  return { id: numeric(entry[2] ?? '') ?? 0, gid: numeric(entry[3] ?? '') ?? 0 };
}

async function groupOf(group: string, chown: string, root: ArchiveRoot, helper: Helper): Promise<number> {
  const id = numeric(group);
  if (id !== undefined) return id;
  const entry = await entryOf('/etc/group', group, root, helper);
  if (!entry) throw unknownOwner(chown, `can't find gid for group ${group}: no such group in the image`);
  return numeric(entry[2] ?? '') ?? 0;
}

async function entryOf(
  file: string,
  name: string,
  root: ArchiveRoot,
  helper: Helper,
): Promise<string[] | undefined> {
  let text: string;
  try {
    text = (await readSmallFile(root, file, helper)).toString('utf8');
  } catch (error) {
    if (error instanceof AppError && ['not_found', 'bad_request', 'too_large'].includes(error.code))
      return undefined;
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
