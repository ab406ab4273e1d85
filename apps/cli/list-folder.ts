// The files of a folder that are deployed, in a fixed order: all but .git and what .gitignore and .berthignore leave out. Used by `berth deploy`.
// Must never follow a symbolic link.
import { type Dirent, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { type IgnoreRule, isIgnored, readRules } from './ignore-rules.ts';

export interface LocalFile {
  /** Within the folder, with "/". */
  path: string;
  kind: 'file' | 'symlink';
  mode: number;
  size: number;
  linkTarget?: string;
}

/** In this order: a .berthignore can take back ("!dist/") what git must not see and the platform needs. */
const ignoreFiles = ['.gitignore', '.berthignore'];
const maxIgnoreBytes = 1024 * 1024;

/** Throws `not_found` when there is no such folder and `invalid` for what no tree can hold. */
export function listFolder(folder: string): LocalFile[] {
  const root = workTree(folder);
  const above = relative(root, folder)
    .split('/')
    .filter((part) => part !== '');
  let rules: IgnoreRule[] = [];
  for (let depth = 0; depth < above.length; depth++)
    rules = [...rules, ...rulesOf(join(root, ...above.slice(0, depth)), above.slice(0, depth))];
  const files: LocalFile[] = [];
  walk({ folder, inside: [], above, rules, files });
  return files;
}

interface Walk {
  folder: string;
  inside: readonly string[];
  /** From the work tree's root to the folder: rules of the folders above count as they do for git. */
  above: readonly string[];
  rules: readonly IgnoreRule[];
  files: LocalFile[];
}

function walk({ folder, inside, above, rules: outer, files }: Walk): void {
  const here = join(folder, ...inside);
  const rules = [...outer, ...rulesOf(here, [...above, ...inside])];
  for (const entry of sortedEntries(here)) {
    const parts = [...inside, entry.name];
    const path = parts.join('/');
    if (entry.name.toLowerCase() === '.git') continue;
    if (isIgnored(rules, [...above, ...parts], entry.isDirectory())) continue;
    if (entry.isDirectory()) walk({ folder, inside: parts, above, rules, files });
    else files.push(localFile(join(here, entry.name), path, entry));
  }
}

function localFile(at: string, path: string, entry: Dirent): LocalFile {
  if (entry.isSymbolicLink())
    return { path, kind: 'symlink', mode: 0o777, size: 0, linkTarget: readlinkSync(at) };
  if (!entry.isFile())
    throw new AppError('invalid', `"${path}" is no file, folder or link`, {
      hint: 'name it in .gitignore or .berthignore',
    });
  const { mode, size } = lstatSync(at);
  return { path, kind: 'file', mode: (mode & 0o100) === 0 ? 0o644 : 0o755, size };
}

function sortedEntries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    const code = systemCode(cause) ?? '';
    if (code === 'ENOENT') throw new AppError('not_found', `there is no folder "${folder}"`);
    if (code === 'ENOTDIR')
      throw new AppError('bad_request', `"${folder}" is no folder`, {
        hint: `for a tar: berth deploy --archive ${folder}`,
      });
    throw new AppError('invalid', `"${folder}" cannot be read (${code})`, { cause });
  }
}

function rulesOf(folder: string, base: readonly string[]): IgnoreRule[] {
  return ignoreFiles.flatMap((name) => {
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size > maxIgnoreBytes) return [];
    return readRules(readFileSync(path, 'utf8'), base);
  });
}

/** The root of the git work tree around the folder; the folder itself where there is none. */
function workTree(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (at === dirname(at)) return folder;
  }
}
