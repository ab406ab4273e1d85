// A source tree of literal files, for tests of drivers: no repository, no git.

import { createHash } from 'node:crypto';
import type { SourceTree, TreeEntry } from '@berth/builder/source/source-tree.ts';

export function treeOfFiles(files: Record<string, string>): SourceTree {
  const oid = (text: string) => createHash('sha1').update(text).digest('hex');
  const entries = new Map<string, TreeEntry>(
    Object.entries(files)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, text]) => [path, { kind: 'file', oid: oid(text) }]),
  );
  return {
    oid: oid(JSON.stringify(files)),
    entries,
    submodules: [],
    has: (path) => entries.has(path),
    hasFolder: (path) => [...entries.keys()].some((name) => name.startsWith(`${path}/`)),
    readText: async (path) => files[path],
  };
}
