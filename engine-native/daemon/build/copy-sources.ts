// Finds what COPY and ADD name in a tree: plain paths and patterns, each with everything below it and the digests of its files.
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Helper } from '../runtime/helper.ts';
import { hasWildcard, PathPattern } from './path-pattern.ts';
import { findInTree, type Listing, listTree, type TreeFolders } from './tree.ts';

export interface CopySource {
  /** As it was asked for or matched, relative to the tree's root. */
  path: string;
  /** For --parents: the part that is made below the destination. */
  kept: string;
  listing: Listing;
}

export interface SourceTree {
  folders: TreeFolders;
  /** For the error: "build context" or the name of a stage or image. */
  label: string;
}

const maxMatches = 100_000;

export async function findSources(helper: Helper, tree: SourceTree, asked: string): Promise<CopySource[]> {
  const { path, keptFrom } = splitPivot(asked);
  if (!hasWildcard(path)) {
    const plain = path.replace(/\\(.)/g, '$1');
    const listing = await findInTree(helper, tree.folders, `/${plain}`, { hash: true });
    if (!listing) throw notFound(asked, tree);
    return [{ path: plain, kept: plain.slice(keptFrom), listing }];
  }
  const matches = await matchesOf(helper, tree, path);
  if (matches.length === 0) throw notFound(asked, tree);
  const found: CopySource[] = [];
  for (const match of matches)
    found.push({
      path: match,
      kept: match.slice(Math.min(keptFrom, match.length)),
      listing: await listTree(helper, tree.folders, `/${match}`, { hash: true }),
    });
  return found;
}

/** `a/./b`: with --parents only what follows the dot is made. `..` never leads above the root. */
function splitPivot(asked: string): { path: string; keptFrom: number } {
  const clean = (text: string) => posix.normalize(`/${text}`).replace(/^\/+|\/+$/g, '');
  const cut = asked.indexOf('/./');
  if (cut < 0) return { path: clean(asked), keptFrom: 0 };
  const before = clean(asked.slice(0, cut));
  return { path: clean(asked), keptFrom: before === '' ? 0 : before.length + 1 };
}

async function matchesOf(helper: Helper, tree: SourceTree, path: string): Promise<string[]> {
  const parts = path.split('/');
  const fixed = parts.findIndex(hasWildcard);
  const base = parts.slice(0, fixed).join('/').replace(/\\(.)/g, '$1');
  const depth = path.includes('**') ? undefined : parts.length - fixed;
  const listing = await findInTree(helper, tree.folders, `/${base}`, depth === undefined ? {} : { depth });
  const pattern = new PathPattern(parts.slice(fixed).join('/'));
  const found: string[] = [];
  for (const entry of listing?.below ?? []) {
    // What lies in a matched folder comes with it.
    const isInside = found.length > 0 && `${entry.path}/`.startsWith(`${found.at(-1)}/`);
    if (!isInside && pattern.matches(entry.path)) found.push(entry.path);
  }
  if (found.length > maxMatches)
    throw new AppError('too_large', `"${path.slice(0, 200)}" matches more than ${maxMatches} files`);
  return found.map((match) => (base === '' ? match : `${base}/${match}`));
}

function notFound(asked: string, { label }: SourceTree): AppError {
  const where =
    label === ''
      ? 'file not found in build context or excluded by .dockerignore: '
      : `not found in "${label}": `;
  return new AppError('not_found', `COPY failed: ${where}stat ${asked.slice(0, 300)}: file does not exist`);
}
