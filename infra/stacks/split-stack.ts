// Takes a bootstrapped Debian apart: what apps run on, and beside it what only installs packages (apt, dpkg, perl, lists and scripts of packages).
// Two archives; the second lies over the first wherever packages are installed. Called by stack-archive.ts; the folder is used up.
import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { runCommandOk } from '@berth/kit/run-command.ts';
import { type DebianPackage, formatStatus, parseStatus, runtimeClosure } from './dpkg-status.ts';
import { installersOnly, type StackRecipe } from './stack-recipe.ts';

/** 100 MB from disk to disk; a disk that takes longer is broken. */
const tarLimitMs = 5 * 60_000;

export interface SplitParts {
  root: string;
  runTar: string;
  toolsTar: string;
  env: Record<string, string>;
}

export async function splitStack(recipe: StackRecipe, parts: SplitParts): Promise<void> {
  const { root } = parts;
  const status = join(root, 'var/lib/dpkg/status');
  const packages = parseStatus(readFileSync(status, 'utf8'));
  const { names, missing } = runtimeClosure(packages, recipe.run.packages, installersOnly);
  if (missing.length > 0)
    throw new AppError('invalid', `the packages "${missing.join('", "')}" of the recipe were not installed`);
  const { run, tools } = sortPaths(listPaths(root), ownersOf(root, packages), names);
  const runStatus = formatStatus([...packages.values()].filter(({ name }) => names.has(name)));
  writeFileSync(status, formatStatus(packages.values()));
  // What the run image itself lists: whoever installs packages over it tells from the two what is in the image and what is not.
  writeFileSync(join(root, 'var/lib/dpkg/status-run'), runStatus);
  await pack(parts, parts.toolsTar, [...tools, 'var/lib/dpkg/status', 'var/lib/dpkg/status-run']);
  for (const path of tools) if (!isFolder(root, path)) rmSync(join(root, path), { force: true });
  writeFileSync(status, runStatus);
  await runCommandOk(['chroot', root, '/usr/sbin/ldconfig'], { env: parts.env });
  rmSync(join(root, 'var/cache/ldconfig/aux-cache'), { force: true });
  await pack(parts, parts.runTar, [...run, 'var/lib/dpkg/status']);
}

/** Every path below the root, folders before what they hold. Folders of the running system stay empty. */
function listPaths(root: string, below = ''): string[] {
  const entries = readdirSync(join(root, below), { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (!entry.isDirectory()) return [path];
      return /^(dev|proc|sys|run|tmp)$/.test(path) ? [path] : [path, ...listPaths(root, path)];
    });
}

/** Which packages a path belongs to, out of dpkg's lists; a path of no package was made by a script. */
function ownersOf(root: string, packages: ReadonlyMap<string, DebianPackage>): Map<string, string[]> {
  const info = join(root, 'var/lib/dpkg/info');
  const owners = new Map<string, string[]>();
  for (const file of readdirSync(info).filter((name) => name.endsWith('.list'))) {
    const name = file.slice(0, -'.list'.length).replace(/:.*$/, '');
    if (!packages.has(name)) continue;
    for (const line of readFileSync(join(info, file), 'utf8').split('\n')) {
      const path = line.slice(1).replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/');
      owners.set(path, [...(owners.get(path) ?? []), name]);
    }
  }
  return owners;
}

/** Of no package, but of use only to those that install packages. */
const installersPaths =
  /^(etc\/apt|etc\/dpkg|var\/lib\/apt|var\/lib\/dpkg|var\/lib\/pam|var\/cache|usr\/share\/keyrings)(\/|$)/;
/** Of packages that apps run on, but of use only where locales are made, or to nobody. */
const installersFiles = /^usr\/(bin\/(localedef|dir|vdir)|share\/gcc\/.*)$/;
/** What scanners read beside the status: which files a package brought, and their digests. */
const packageFacts = /^var\/lib\/dpkg\/info\/([^/:]+)(:[a-z0-9]+)?\.(list|md5sums)$/;

/** Pure: the paths of the run image and those of the tools, each with the folders above them. */
export function sortPaths(
  paths: readonly string[],
  owners: ReadonlyMap<string, readonly string[]>,
  kept: ReadonlySet<string>,
): { run: string[]; tools: string[] } {
  const isKept = (path: string): boolean => {
    const fact = packageFacts.exec(path);
    if (fact) return kept.has(fact[1] ?? '');
    if (installersFiles.test(path)) return false;
    const of = owners.get(path);
    return of ? of.some((name) => kept.has(name)) : !installersPaths.test(path);
  };
  const written = (path: string) => !/^var\/lib\/dpkg\/status(-old|-run)?$/.test(path);
  const run = paths.filter(written).filter(isKept);
  const inRun = new Set(run);
  const tools = paths.filter(written).filter((path) => !inRun.has(path));
  return { run: withParents(run), tools: withParents(tools) };
}

function withParents(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    const names = path.split('/');
    for (let depth = 1; depth <= names.length; depth++) all.add(names.slice(0, depth).join('/'));
  }
  return [...all].sort();
}

/** The same paths with the same contents give the same bytes: no clock, no names of users, no order of a disk. */
async function pack({ root, env }: SplitParts, tar: string, paths: readonly string[]): Promise<void> {
  const list = `${tar}.list`;
  writeFileSync(
    list,
    withParents(paths)
      .map((path) => `./${path}\0`)
      .join(''),
  );
  const epoch = `@${env['SOURCE_DATE_EPOCH'] ?? '0'}`;
  const flags = ['--no-recursion', '--numeric-owner', '--format=gnu', '--clamp-mtime', `--mtime=${epoch}`];
  const argv: [string, ...string[]] = [
    'tar',
    '-c',
    '-f',
    tar,
    '-C',
    root,
    ...flags,
    '--null',
    `--files-from=${list}`,
  ];
  try {
    await runCommandOk(argv, { env, timeoutMs: tarLimitMs });
  } finally {
    rmSync(list, { force: true });
  }
}

function isFolder(root: string, path: string): boolean {
  return lstatSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
}
