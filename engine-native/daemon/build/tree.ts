// Trees a build copies from and to: the context, images and stages, listed by the helper, which alone resolves their paths.
// Must never open a file of such a tree in this process by a path: a link in it may point anywhere.
import { AppError } from '@berth/kit/errors.ts';
import type { Helper } from '../runtime/helper.ts';

export interface TreeEntry {
  type: 'file' | 'folder' | 'link' | 'fifo' | 'socket' | 'device';
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds. */
  mtime: number;
  /** Of a file, when it was asked for; else "". */
  digest: string;
  /** Below the start of the listing; "" = the start itself. */
  path: string;
  /** Target of a link. */
  link: string;
}

export interface Listing {
  /** Where the start really is, links followed: absolute in the tree, without a slash at the end. */
  path: string;
  start: TreeEntry;
  /** Everything below it, depth first, folders before what they hold. */
  below: TreeEntry[];
}

/** Folders seen as one tree, topmost first. */
export type TreeFolders = string[];

const maxEntries = 2_000_000; // a listing lives in our memory
const types: Record<string, TreeEntry['type']> = {
  f: 'file',
  d: 'folder',
  l: 'link',
  p: 'fifo',
  s: 'socket',
  n: 'device',
};

export async function listTree(
  helper: Helper,
  folders: TreeFolders,
  path: string,
  options: { depth?: number; hash?: boolean } = {},
): Promise<Listing> {
  const { path: real, records } = await helper.listTree(folders, path, options);
  try {
    const entries = await readRecords(records);
    const [start, ...below] = entries;
    if (!start) throw new AppError('internal', 'the engine helper listed nothing');
    return { path: real === '/' ? '' : real, start, below };
  } finally {
    records.destroy();
  }
}

/** Undefined when nothing is there. */
export async function findInTree(
  helper: Helper,
  folders: TreeFolders,
  path: string,
  options: { depth?: number; hash?: boolean } = {},
): Promise<Listing | undefined> {
  try {
    return await listTree(helper, folders, path, options);
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined;
    throw error;
  }
}

async function readRecords(stream: AsyncIterable<Buffer>): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const fields: Buffer[] = [];
  let pending: Buffer = Buffer.alloc(0);
  let isWhole = false;
  for await (const chunk of stream) {
    const data = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
    let from = 0;
    for (let end = data.indexOf(0, from); end >= 0; end = data.indexOf(0, from)) {
      fields.push(data.subarray(from, end));
      from = end + 1;
      if (fields.length === 1 && fields[0]?.length === 0) isWhole = true;
      if (fields.length < 3) continue;
      entries.push(entryOf(fields));
      fields.length = 0;
      if (entries.length > maxEntries)
        throw new AppError('too_large', `a build cannot copy from more than ${maxEntries} files`);
    }
    pending = data.subarray(from);
  }
  if (!isWhole) throw new AppError('internal', 'the engine helper could not read the whole tree');
  return entries;
}

function entryOf([head, path, link]: Buffer[]): TreeEntry {
  const [type = '', mode = '', uid, gid, size, mtime, digest = '-'] = (head?.toString('latin1') ?? '').split(
    ' ',
  );
  return {
    type: types[type] ?? 'device',
    mode: Number.parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    size: Number(size),
    mtime: Number(mtime),
    digest: digest === '-' ? '' : digest,
    path: textOf(path),
    link: textOf(link),
  };
}

function textOf(bytes: Buffer | undefined): string {
  const text = bytes?.toString('utf8') ?? '';
  if (text.includes('\ufffd'))
    throw new AppError('bad_request', `the file name "${text.slice(0, 200)}" is not UTF-8`, {
      hint: 'rename the file',
    });
  return text;
}
