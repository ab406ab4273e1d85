// A source tree of a few texts that no repository has: what a driver is asked when there is no app (stand-ins for base images).
import { createHash } from 'node:crypto';
import type { SourceTree, TreeEntry } from './source-tree.ts';

export function treeOfTexts(texts: Readonly<Record<string, string>>): SourceTree {
  const oid = (text: string) => createHash('sha1').update(text).digest('hex');
  const paths = Object.keys(texts).sort();
  const entries = new Map(
    paths.map((path): [string, TreeEntry] => [path, { kind: 'file', oid: oid(texts[path] ?? '') }]),
  );
  return {
    oid: oid(JSON.stringify(paths.map((path) => [path, texts[path]]))),
    entries,
    submodules: [],
    has: (path) => entries.has(path),
    hasFolder: (path) => paths.some((name) => name.startsWith(`${path}/`)),
    readText: (path) => Promise.resolve(texts[path]),
  };
}
