// The tree that is built: the pushed one, or its folder `root`, without what `ignore` names. Called once a build.

import { ignoredBy } from '../source/ignored-paths.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { subtree, withoutPaths } from '../source/subtree.ts';
import type { BuildRequest } from './app-manifest.ts';

export function appTree(tree: SourceTree, { root, ignore = [] }: BuildRequest): SourceTree {
  const inside = root === undefined ? tree : subtree(tree, root);
  return ignore.length === 0 ? inside : withoutPaths(inside, ignoredBy(ignore));
}
