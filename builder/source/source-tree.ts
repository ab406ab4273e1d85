// A pushed tree as data: every path with its mode and object, and the text of single files. Made once a build.
// Drivers read it. Must never follow a symbolic link of the tree nor touch a file system.
import { AppError } from '@berth/kit/errors.ts';
import type { GitObjects } from './git-objects.ts';

export interface TreeEntry {
  kind: 'file' | 'executable' | 'symlink';
  oid: string;
}

export interface SourceTree {
  oid: string;
  /** By path from the root, sorted bytewise as git sorts. */
  entries: ReadonlyMap<string, TreeEntry>;
  /** Submodules: their content is not part of the push. */
  submodules: readonly string[];
  has(path: string): boolean;
  hasFolder(path: string): boolean;
  /** Text of a regular file; undefined when there is none. A link, or a file that is too long to be what it says, is `invalid`. */
  readText(path: string, maxBytes?: number): Promise<string | undefined>;
}

/** Lockfiles of large apps have a few MiB; nothing a driver reads is longer. */
const defaultTextLimit = 32 * 1024 * 1024;
/** The receiver counts a tree before it lets it in; this bound only protects the builder from a receiver that did not. */
const maxEntries = 500_000;
const maxTreeObjectBytes = 64 * 1024 * 1024;

export async function readSourceTree(objects: GitObjects, treeOid: string): Promise<SourceTree> {
  const entries = new Map<string, TreeEntry>();
  const submodules: string[] = [];
  const folders = new Set<string>();
  let level = [{ path: '', oid: treeOid }];
  while (level.length > 0) {
    const next: typeof level = [];
    const trees = await readTrees(objects, level);
    for (const { path: prefix, oid } of level) {
      for (const entry of trees.get(oid) ?? []) {
        const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
        if (entry.mode === 0o040000) {
          folders.add(path);
          next.push({ path, oid: entry.oid });
        } else if (entry.mode === 0o160000) submodules.push(path);
        else entries.set(path, { kind: kindOf(entry.mode), oid: entry.oid });
      }
      if (entries.size + next.length > maxEntries)
        throw new AppError('too_large', `the tree has more than ${maxEntries} files`, {
          hint: 'commit less: packages and what a build makes need not be in the repository',
        });
    }
    level = next;
  }
  const sorted = new Map([...entries].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  return {
    oid: treeOid,
    entries: sorted,
    submodules,
    has: (path) => sorted.has(path),
    hasFolder: (path) => folders.has(path),
    readText: (path, maxBytes = defaultTextLimit) => readText(objects, sorted, path, maxBytes),
  };
}

/** The same folder in many places is read once: a push of a few kB may stand for any number of them. */
async function readTrees(
  objects: GitObjects,
  level: readonly { oid: string }[],
): Promise<Map<string, RawEntry[]>> {
  const oids = [...new Set(level.map(({ oid }) => oid))];
  const trees = await objects.read(oids, maxTreeObjectBytes);
  return new Map(
    trees.map(({ data }, index) => {
      const oid = oids[index] ?? '';
      return [oid, [...parseTree(data, oid.length / 2)]];
    }),
  );
}

async function readText(
  objects: GitObjects,
  entries: ReadonlyMap<string, TreeEntry>,
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  const entry = entries.get(path);
  if (!entry) return undefined;
  if (entry.kind === 'symlink')
    throw new AppError('invalid', `"${path}" is a symbolic link`, {
      hint: 'commit the file itself in its place',
    });
  try {
    const [blob] = await objects.read([entry.oid], maxBytes);
    return blob?.data.toString('utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof AppError && error.code === 'too_large')
      throw new AppError('invalid', `"${path}" is larger than ${Math.round(maxBytes / 1024)} KiB`, {
        hint: 'commit a file of a usual size',
      });
    throw error;
  }
}

/** Commit time in seconds since 1970, from the committer line. */
export function commitTime(commit: Buffer): number {
  const match = /^committer .* (\d+) [+-]\d{4}$/m.exec(commit.toString('utf8'));
  return match ? Number(match[1]) : 0;
}

interface RawEntry {
  mode: number;
  name: string;
  oid: string;
}

/** git's tree object: `<octal mode> <name>\0<raw oid>` repeated. Modes other than the known ones are refused by fsck at the receiver. */
export function* parseTree(data: Buffer, oidBytes: number): Generator<RawEntry> {
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(32, at);
    const zero = data.indexOf(0, space);
    if (space === -1 || zero === -1) throw new AppError('invalid', 'the tree is damaged');
    const mode = Number.parseInt(data.toString('latin1', at, space), 8);
    const name = data.toString('utf8', space + 1, zero);
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.toLowerCase() === '.git')
      throw new AppError('invalid', `the tree contains an entry named "${name}"`, {
        hint: 'remove it from the commit and push again',
      });
    at = zero + 1 + oidBytes;
    yield { mode, name, oid: data.toString('hex', zero + 1, at) };
  }
}

function kindOf(mode: number): TreeEntry['kind'] {
  if (mode === 0o120000) return 'symlink';
  return (mode & 0o111) !== 0 ? 'executable' : 'file';
}
