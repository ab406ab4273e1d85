// The numbers behind a container's user for `docker cp -a`: from its own /etc/passwd, read like any file of the container, never by a library.
import { AppError } from '@berth/kit/errors.ts';
import type { ArchiveRoot, Helper } from '../runtime/helper.ts';
import { readSmallFile } from './read-small-file.ts';

export async function userIds(
  user: string,
  root: ArchiveRoot,
  helper: Helper,
): Promise<{ uid: number; gid: number } | undefined> {
  const [name = '', group = ''] = user.split(':');
  if (name === '') return undefined;
  const passwd = await entries('/etc/passwd', root, helper);
  const entry = passwd.find((fields) => fields[0] === name) ?? passwd.find((fields) => fields[2] === name);
  const uid = idOf(entry?.[2] ?? name, name);
  if (group === '') return { uid, gid: entry ? idOf(entry[3] ?? '', name) : 0 };
  const groups = await entries('/etc/group', root, helper);
  return { uid, gid: idOf(groups.find((fields) => fields[0] === group)?.[2] ?? group, group) };
}

function idOf(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new AppError('bad_request', `unable to find user ${name}: no matching entries in passwd file`);
}

async function entries(path: string, root: ArchiveRoot, helper: Helper): Promise<string[][]> {
  try {
    const text = (await readSmallFile(root, path, helper)).toString('utf8');
    return text.split('\n').map((line) => line.split(':'));
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return []; // a numeric user needs no file
    throw error;
  }
}
