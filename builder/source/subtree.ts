// Parts of a pushed tree as trees of their own: a folder of it, or all but some paths. Used for `[build] root` and `ignore`. Pure.
import { createHash } from 'node:crypto';
import type { SourceTree, TreeEntry } from './source-tree.ts';

/** The tree that begins at the folder. */
export function subtree(tree: SourceTree, folder: string): SourceTree {
  const prefix = `${folder}/`;
  const inside = [...tree.entries].filter(([path]) => path.startsWith(prefix));
  return derived(tree, new Map(inside.map(([path, entry]) => [path.slice(prefix.length), entry])), {
    prefix,
    submodules: tree.submodules
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length)),
  });
}

/** The tree without the paths for which `leaves` is true. */
export function withoutPaths(tree: SourceTree, leaves: (path: string) => boolean): SourceTree {
  const kept = [...tree.entries].filter(([path]) => !leaves(path));
  if (kept.length === tree.entries.size) return tree;
  return derived(tree, new Map(kept), { prefix: '', submodules: tree.submodules });
}

function derived(
  tree: SourceTree,
  entries: Map<string, TreeEntry>,
  { prefix, submodules }: { prefix: string; submodules: readonly string[] },
): SourceTree {
  const hash = createHash('sha256');
  const folders = new Set<string>();
  for (const [path, { kind, oid }] of entries) {
    hash.update(`${kind} ${oid} ${path}\0`);
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      if (folders.has(path.slice(0, at))) break;
      folders.add(path.slice(0, at));
    }
  }
  return {
    // Not git's, but as good: the same content gives the same one.
    oid: hash.digest('hex').slice(0, tree.oid.length),
    entries,
    submodules,
    has: (path) => entries.has(path),
    hasFolder: (path) => folders.has(path),
    readText: async (path, maxBytes) =>
      entries.has(path) ? tree.readText(`${prefix}${path}`, maxBytes) : undefined,
  };
}
