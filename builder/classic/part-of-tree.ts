// Part of a pushed tree as a tree of its own: a buildpack's folder, or what .slugignore leaves. Pure.
import { digest } from '../keys.ts';
import type { SourceTree } from '../source/source-tree.ts';

/** The files below a folder, rooted there; its id covers their paths, modes and contents. */
export function partOfTree(tree: SourceTree, folder: string): SourceTree {
  const entries = new Map(
    [...tree.entries]
      .filter(([path]) => path.startsWith(`${folder}/`))
      .map(([path, entry]) => [path.slice(folder.length + 1), entry]),
  );
  return {
    oid: digest([...entries].map(([path, { kind, oid }]) => [path, kind, oid])),
    entries,
    submodules: [],
    has: (path) => entries.has(path),
    hasFolder: (path) => tree.hasFolder(`${folder}/${path}`),
    readText: (path, maxBytes) => tree.readText(`${folder}/${path}`, maxBytes),
  };
}

/** The tree without some of its files. */
export function withoutFiles(tree: SourceTree, isLeftOut: (path: string) => boolean): SourceTree {
  const entries = new Map([...tree.entries].filter(([path]) => !isLeftOut(path)));
  return { ...tree, entries, has: (path) => entries.has(path) };
}
