// A source tree that remembers the first file that was asked for and is there: why a driver took the tree for its own. Used by drivers.ts.
import type { SourceTree } from '../source/source-tree.ts';

export function watchTree(tree: SourceTree): { watched: SourceTree; firstFound: () => string | undefined } {
  let first: string | undefined;
  const note = (path: string, isThere: boolean): boolean => {
    if (isThere) first ??= path;
    return isThere;
  };
  const watched: SourceTree = {
    ...tree,
    has: (path) => note(path, tree.has(path)),
    hasFolder: (path) => note(path, tree.hasFolder(path)),
    readText: async (path, maxBytes) => {
      const text = await tree.readText(path, maxBytes);
      note(path, text !== undefined);
      return text;
    },
  };
  return { watched, firstFound: () => first };
}
