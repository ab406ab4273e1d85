// Counts the files and bytes of a commit's tree without checking it out, in time that grows with its distinct objects only:
// a push of 44 kB can stand for 10^8 files. Called in the hook before anything else looks at the push.
import { AppError } from '@berth/kit/errors.ts';
import type { GitObject } from './object-reader.ts';

export interface TreeCount {
  files: number;
  bytes: number;
  /** Levels of folders. */
  depth: number;
  /** Path of the first submodule, which is not fetched. */
  submodule: string | null;
}

export interface ObjectSource {
  contents(oids: readonly string[]): Promise<GitObject[]>;
  sizes(oids: readonly string[]): Promise<number[]>;
}

interface TreeEntry {
  kind: 'tree' | 'blob' | 'submodule';
  name: string;
  oid: string;
}

/** Folders nested deeper cannot be checked out: 4096 bytes is the longest path Linux takes. */
const maxDepth = 1024;
/** Distinct objects asked for at once: the answers of one batch lie in memory. */
const batchSize = 2000;
/** Counts of trees seen before, by id: contents never change, so the next push pays only for what it changed. */
const maxKnown = 200_000;

export class TreeCounter {
  readonly #known = new Map<string, TreeCount>();
  readonly #maxEntries: number;

  constructor(maxFiles: number) {
    // Folders count as well here: distinct entries are never more than entries, so a tree within the limits passes.
    this.#maxEntries = maxFiles * 4 + 1000;
  }

  /** The tree of a commit and its count. Throws `invalid` for entries that no checkout can or should make. */
  async count(source: ObjectSource, commit: string): Promise<{ treeOid: string; count: TreeCount }> {
    const [object] = await source.contents([commit]);
    const treeOid = object?.type === 'commit' ? readTreeLine(object.content) : undefined;
    if (treeOid === undefined) throw new AppError('invalid', `"${commit}" is not a commit`);
    const trees = await this.#load(source, treeOid);
    const sizes = await loadSizes(source, trees);
    this.#addUp(treeOid, trees, sizes);
    const count = this.#known.get(treeOid) as TreeCount;
    this.#forgetOldest();
    return { treeOid, count };
  }

  /** Every distinct tree below the root that is not known yet, level by level. */
  async #load(source: ObjectSource, root: string): Promise<Map<string, TreeEntry[]>> {
    const trees = new Map<string, TreeEntry[]>();
    let level = new Set([root]);
    let seen = 0;
    for (let depth = 0; level.size > 0; depth++) {
      if (depth > maxDepth)
        throw new AppError('invalid', `folders are nested deeper than ${maxDepth} levels`);
      const next = new Set<string>();
      const wanted = [...level].filter((oid) => !this.#known.has(oid) && !trees.has(oid));
      for (const batch of batches(wanted)) {
        const objects = await source.contents(batch);
        for (const [index, oid] of batch.entries()) {
          const entries = parseTree((objects[index] as GitObject).content, oid.length / 2);
          seen += entries.length;
          if (seen > this.#maxEntries)
            throw new AppError('too_large', `the tree has more than ${seen - 1} entries`);
          trees.set(oid, entries);
          for (const entry of entries) if (entry.kind === 'tree') next.add(entry.oid);
        }
      }
      level = next;
    }
    return trees;
  }

  /** Sums from the leaves up, each distinct tree once; a stack of our own, since a hostile tree may be deep. */
  #addUp(root: string, trees: Map<string, TreeEntry[]>, sizes: Map<string, number>): void {
    const stack = [root];
    while (stack.length > 0) {
      const oid = stack.at(-1) as string;
      const entries = trees.get(oid) ?? [];
      const open = entries.filter((entry) => entry.kind === 'tree' && !this.#known.has(entry.oid));
      if (!this.#known.has(oid) && open.length > 0) {
        for (const entry of open) stack.push(entry.oid);
        continue;
      }
      stack.pop();
      if (!this.#known.has(oid)) this.#known.set(oid, this.#sum(entries, sizes));
    }
  }

  #sum(entries: readonly TreeEntry[], sizes: Map<string, number>): TreeCount {
    const total: TreeCount = { files: 0, bytes: 0, depth: 1, submodule: null };
    for (const entry of entries) {
      if (entry.kind === 'blob') {
        total.files += 1;
        total.bytes += sizes.get(entry.oid) ?? 0;
      } else if (entry.kind === 'submodule') total.submodule ??= entry.name;
      else {
        const below = this.#known.get(entry.oid) as TreeCount;
        total.files += below.files;
        total.bytes += below.bytes;
        total.depth = Math.max(total.depth, below.depth + 1);
        if (below.submodule !== null) total.submodule ??= `${entry.name}/${below.submodule}`;
      }
    }
    return total;
  }

  #forgetOldest(): void {
    for (const oid of this.#known.keys()) {
      if (this.#known.size <= maxKnown) return;
      this.#known.delete(oid);
    }
  }
}

async function loadSizes(
  source: ObjectSource,
  trees: Map<string, TreeEntry[]>,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const entries of trees.values())
    for (const entry of entries) if (entry.kind === 'blob') sizes.set(entry.oid, 0);
  for (const batch of batches([...sizes.keys()])) {
    const answers = await source.sizes(batch);
    for (const [index, oid] of batch.entries()) sizes.set(oid, answers[index] ?? 0);
  }
  return sizes;
}

function* batches(oids: readonly string[]): Generator<string[]> {
  for (let start = 0; start < oids.length; start += batchSize) yield oids.slice(start, start + batchSize);
}

function readTreeLine(content: Buffer): string | undefined {
  return /^tree ([0-9a-f]{40,64})\n/.exec(content.toString('latin1', 0, 80))?.[1];
}

/** Entries of a tree object: `<mode> <name>\0<raw id>`, repeated. */
export function parseTree(content: Buffer, oidBytes: number): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at);
    const end = content.indexOf(0, space);
    if (space === -1 || end === -1) throw new AppError('invalid', 'a tree object is damaged');
    const mode = content.toString('latin1', at, space);
    const name = content.toString('utf8', space + 1, end);
    const oid = content.toString('hex', end + 1, end + 1 + oidBytes);
    entries.push({ kind: entryKind(mode, name), name, oid });
    at = end + 1 + oidBytes;
  }
  return entries;
}

function entryKind(mode: string, name: string): TreeEntry['kind'] {
  const octal = Number.parseInt(mode, 8);
  const type = octal & 0o170000;
  if (type === 0o040000) return 'tree';
  if (type === 0o100000 || type === 0o120000) return 'blob';
  if (type === 0o160000) return 'submodule';
  const printable = name.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
  throw new AppError(
    'invalid',
    `"${printable}" has mode ${mode}: only files, folders and links can be pushed`,
  );
}
