// The pushed tree as a tar stream, below app/ or as a build's context: what `git archive` would give without its export attributes, which a deploy must not obey.
// Called for every build that is not reused. Must never write to the disk.

import { type TarEntry, writeTar } from '@berth/kit/write-tar.ts';
import type { GitObjects } from './git-objects.ts';
import type { SourceTree, TreeEntry } from './source-tree.ts';

/** Streams the tree below `folder` ('' is the root); names in `leaveOut` are dropped at the top level. Owners and times are the engine's to set. */
export function sourceTar(
  objects: GitObjects,
  tree: SourceTree,
  leaveOut: readonly string[],
  folder = 'app',
): AsyncGenerator<Uint8Array> {
  const dropped = new Set(leaveOut);
  const wanted = [...tree.entries].filter(([path]) => !dropped.has(path.split('/', 1)[0] ?? ''));
  return writeTar(sourceEntries(objects, wanted, folder));
}

async function* sourceEntries(
  objects: GitObjects,
  wanted: readonly (readonly [string, TreeEntry])[],
  folder: string,
): AsyncGenerator<TarEntry> {
  const made = new Set<string>();
  const below = folder === '' ? '' : `${folder}/`;
  yield* missingFolders(below, made);
  let at = 0;
  for await (const blob of objects.stream(wanted.map(([, entry]) => entry.oid))) {
    const [path, entry] = wanted[at++] ?? [];
    if (path === undefined || entry === undefined) break;
    yield* missingFolders(`${below}${path}`, made);
    if (entry.kind === 'symlink') {
      const parts: Buffer[] = [];
      for await (const part of blob.chunks) parts.push(part);
      const linkTarget = Buffer.concat(parts).toString('utf8');
      yield { path: `${below}${path}`, kind: 'symlink', mode: 0o777, size: 0, linkTarget };
    } else {
      const mode = entry.kind === 'executable' ? 0o755 : 0o644;
      yield { path: `${below}${path}`, kind: 'file', mode, size: blob.size, content: blob.chunks };
    }
  }
}

function* missingFolders(path: string, made: Set<string>): Generator<TarEntry> {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const folder = path.slice(0, at);
    if (made.has(folder)) continue;
    made.add(folder);
    yield { path: folder, kind: 'folder', mode: 0o755, size: 0 };
  }
}
