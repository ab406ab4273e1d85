// From found sources and a destination to the records layer.copy carries out, and their digest for the cache. Pure.
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { CopySource } from './copy-sources.ts';
import type { ModeChange } from './file-mode.ts';
import type { Owner } from './image-user.ts';
import { PathPattern } from './path-pattern.ts';
import type { TreeEntry } from './tree.ts';

export interface CopyRecord {
  op: 'copy' | 'keep' | 'mkdir';
  mode: number | undefined;
  /** Real path in the source tree. */
  source: string;
  /** Below the destination; "" = the destination itself. */
  target: string;
}

export interface CopyPlan {
  records: CopyRecord[];
  /** The destination is a folder whatever is there now; else it depends on the stage (a single file to a path without a slash). */
  isFolder: boolean;
  /** Of everything that is copied: kinds, names, modes, owners, contents; never of times. */
  digest: string;
}

export interface CopyRules {
  /** undefined: the sources' owners are kept. */
  owner: Owner | undefined;
  mode: ModeChange | undefined;
  parents: boolean;
  exclude: string[];
  destination: string;
  keyword: string;
}

export function planCopy(sources: CopySource[], rules: CopyRules): CopyPlan {
  const { destination, keyword } = rules;
  const endsInSlash = /(^|\/)\.{0,2}\/?$/.test(destination);
  const excluded = excluder(rules.exclude);
  const chosen = sources.filter(
    (source) => !(source.listing.start.type !== 'folder' && excluded(source.path, true)),
  );
  const [first] = chosen;
  const isSingleFile = chosen.length === 1 && first?.listing.start.type !== 'folder' && !rules.parents;
  if (chosen.length > 1 && !endsInSlash)
    throw new AppError(
      'bad_request',
      `When using ${keyword} with more than one source file, the destination must be a directory and end with a /`,
    );
  const hash = createHash('sha256');
  const records = chosen.flatMap((source) =>
    recordsOf(source, rules, isSingleFile && !endsInSlash, excluded).map(({ record, entry }) => {
      hash.update(`${describe(entry, record, rules.owner)}\n`);
      return record;
    }),
  );
  return { records, isFolder: !isSingleFile || endsInSlash, digest: hash.digest('hex') };
}

interface Planned {
  record: CopyRecord;
  entry: TreeEntry;
}

function recordsOf(
  source: CopySource,
  rules: CopyRules,
  isDestinationItself: boolean,
  excluded: (path: string, isStart: boolean) => boolean,
): Planned[] {
  const { start, below, path: real } = source.listing;
  const isFolder = start.type === 'folder';
  const name = posix.basename(source.path) || posix.basename(real);
  const base = rules.parents ? source.kept : isFolder || isDestinationItself ? '' : name;
  const planned = (entry: TreeEntry, op: CopyRecord['op']): Planned => {
    checkKind(entry, joined(real, entry.path));
    const mode = entry.type === 'link' ? undefined : rules.mode?.(entry.mode, entry.type === 'folder');
    return {
      entry,
      record: {
        op,
        mode,
        source: joined(real, entry.path).replace(/^\//, ''),
        target: joined(base, entry.path),
      },
    };
  };
  const first = planned(start, isFolder && base === '' ? 'keep' : 'copy');
  return [
    first,
    ...below.filter(({ path }) => !excluded(path, false)).map((entry) => planned(entry, 'copy')),
  ];
}

function checkKind(entry: TreeEntry, path: string): void {
  if (entry.type === 'device' || entry.type === 'socket')
    throw new AppError('bad_request', `"${path}" is a ${entry.type}, which an image cannot hold`);
}

/** Patterns are relative to a source folder; a source that is itself a file is meant by its path or its name. */
function excluder(patterns: string[]): (path: string, isStart: boolean) => boolean {
  const compiled = patterns.map((pattern) => new PathPattern(pattern.replace(/^\.?\/+|\/+$/g, '')));
  return (path, isStart) =>
    compiled.some(
      (pattern) => pattern.matchesWithParents(path) || (isStart && pattern.matches(posix.basename(path))),
    );
}

/** JSON, so that no name can look like two fields. */
function describe(entry: TreeEntry, record: CopyRecord, owner: Owner | undefined): string {
  return JSON.stringify([
    entry.type,
    record.op,
    record.target,
    entry.type === 'link' ? 0 : (record.mode ?? entry.mode),
    owner?.uid ?? entry.uid,
    owner?.gid ?? entry.gid,
    entry.digest,
    entry.link,
  ]);
}

function joined(base: string, path: string): string {
  if (base === '' || path === '') return base + path;
  return `${base}/${path}`;
}

export function* encodeRecords(records: Iterable<CopyRecord>, destination: string): Generator<Buffer> {
  for (const { op, mode, source, target } of records) {
    const place = joined(destination, target);
    yield Buffer.from(`${op}\0${mode === undefined ? '' : mode.toString(8)}\0${source}\0${place}\0`);
  }
  yield Buffer.from('end\0\0\0\0');
}
