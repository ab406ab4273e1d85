// Reads Cargo.toml, Cargo.lock and the layout of a tree: packages, what cargo would build, binaries. Used by facts.ts; cargo itself checks the rest.
import { at, itemsOf, type Located, textOf } from '@berth/builder/source/located.ts';
import { parseToml } from '@berth/builder/source/parse-toml.ts';
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface CargoPackage {
  /** Folder from the root of the tree, '' for the root. */
  folder: string;
  name: string;
  rustVersion: string | undefined;
  defaultRun: string | undefined;
  binaries: string[];
}

export interface CargoTree {
  /** Every package of the tree: what cargo must compile anew for every build. */
  packages: CargoPackage[];
  /** Those that `cargo build` at the root builds. */
  chosen: CargoPackage[];
}

const maxManifests = 500;
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

export async function readCargoTree(tree: SourceTree, features: readonly string[]): Promise<CargoTree> {
  const root = await readManifest(tree, '');
  if (root === undefined)
    throw new AppError('invalid', 'there is no Cargo.toml', {
      hint: 'run "cargo init" and commit what it makes',
    });
  const workspace = at(root, 'workspace');
  const folders = [...tree.entries.keys()]
    .filter((path) => /(^|\/)Cargo\.toml$/.test(path) && !/(^|\/)(target|vendor|node_modules)\//.test(path))
    .map((path) => path.slice(0, Math.max(path.length - '/Cargo.toml'.length, 0)))
    .slice(0, maxManifests);
  const read = await Promise.all(
    folders.map(async (folder) => {
      const manifest = folder === '' ? root : await readManifest(tree, folder);
      return readPackage(tree, folder, manifest, workspace, features);
    }),
  );
  const packages = read.filter((found) => found !== undefined);
  if (workspace === undefined) return { packages, chosen: packages.filter(({ folder }) => folder === '') };
  checkMembers(tree, workspace);
  const members = packages.filter(({ folder }) => folder === '' || isMember(workspace, 'members', folder));
  const rootPackage = members.filter(({ folder }) => folder === '');
  const defaults = at(workspace, 'default-members');
  const usual = defaults
    ? members.filter(({ folder }) => isMember(workspace, 'default-members', folder))
    : rootPackage.length > 0
      ? rootPackage
      : members;
  // A library at the root of a workspace: the binaries are in the members.
  const hasBinaries = usual.some(({ binaries }) => binaries.length > 0);
  return { packages, chosen: hasBinaries ? usual : members };
}

async function readManifest(tree: SourceTree, folder: string): Promise<Located | undefined> {
  const path = folder === '' ? 'Cargo.toml' : `${folder}/Cargo.toml`;
  const text = await tree.readText(path, 4 * 1024 * 1024);
  return text === undefined ? undefined : parseToml(path, text);
}

function readPackage(
  tree: SourceTree,
  folder: string,
  manifest: Located | undefined,
  workspace: Located | undefined,
  features: readonly string[],
): CargoPackage | undefined {
  const name = textOf(at(manifest, 'package', 'name'));
  if (name === undefined) return undefined;
  if (!namePattern.test(name))
    throw new AppError('invalid', `"${name}" is not a name of a package (${folder || '.'}/Cargo.toml)`, {
      hint: 'names are letters, digits, "-" and "_"',
    });
  const inherits = at(manifest, 'package', 'rust-version', 'workspace') !== undefined;
  const rustVersion = inherits
    ? at(workspace, 'package', 'rust-version')
    : at(manifest, 'package', 'rust-version');
  return {
    folder,
    name,
    rustVersion: textOf(rustVersion),
    defaultRun: textOf(at(manifest, 'package', 'default-run')),
    binaries: binariesOf(tree, folder, name, manifest, features),
  };
}

/** Cargo's own discovery: [[bin]], src/main.rs, src/bin/*.rs, src/bin/NAME/main.rs; without those whose features are not asked for. */
function binariesOf(
  tree: SourceTree,
  folder: string,
  packageName: string,
  manifest: Located | undefined,
  features: readonly string[],
): string[] {
  const below = folder === '' ? '' : `${folder}/`;
  const enabled = new Set([...features, ...itemsOf(at(manifest, 'features', 'default')).map(textOf)]);
  const names = new Map<string, boolean>();
  const declaredPaths = new Set<string | undefined>();
  for (const bin of itemsOf(at(manifest, 'bin'))) {
    const name = textOf(at(bin, 'name'));
    if (name === undefined) continue;
    const needs = itemsOf(at(bin, 'required-features')).map(textOf);
    names.set(
      name,
      needs.every((feature) => enabled.has(feature)),
    );
    declaredPaths.add(textOf(at(bin, 'path')));
  }
  const automatic = at(manifest, 'package', 'autobins');
  if (automatic?.kind === 'value' && automatic.value === false) return kept(names);
  const found: [string, string][] = tree.has(`${below}src/main.rs`) ? [[packageName, 'src/main.rs']] : [];
  for (const path of tree.entries.keys()) {
    if (!path.startsWith(`${below}src/bin/`)) continue;
    const within = path.slice(below.length);
    const name = /^src\/bin\/([^/]+?)(?:\.rs|\/main\.rs)$/.exec(within)?.[1];
    if (name !== undefined) found.push([name, within]);
  }
  for (const [name, path] of found) if (!declaredPaths.has(path) && !names.has(name)) names.set(name, true);
  return kept(names);
}

function kept(names: ReadonlyMap<string, boolean>): string[] {
  return [...names].filter(([name, isBuilt]) => isBuilt && namePattern.test(name)).map(([name]) => name);
}

function isMember(workspace: Located, list: 'members' | 'default-members', folder: string): boolean {
  const matches = (name: string) =>
    patternsOf(workspace, name).some((pattern) => globPattern(pattern).test(folder));
  return (
    matches(list) &&
    !patternsOf(workspace, 'exclude').some((path) => folder === path || folder.startsWith(`${path}/`))
  );
}

function patternsOf(workspace: Located, list: string): string[] {
  return itemsOf(at(workspace, list)).flatMap((item) => {
    const path = textOf(item);
    return path === undefined ? [] : [path.replace(/^\.\//, '').replace(/\/+$/, '').replace(/^\.$/, '')];
  });
}

/** `crates/*` and the like; a `*` does not cross folders. */
function globPattern(pattern: string): RegExp {
  const parts = pattern.slice(0, 500).split(/(\*+|\?)/);
  const source = parts.map((part) =>
    /^\*+$/.test(part) ? '[^/]*' : part === '?' ? '[^/]' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&'),
  );
  return new RegExp(`^${source.join('')}$`);
}

function checkMembers(tree: SourceTree, workspace: Located): void {
  for (const member of patternsOf(workspace, 'members')) {
    if (/[*?[]/.test(member) || tree.has(member === '' ? 'Cargo.toml' : `${member}/Cargo.toml`)) continue;
    throw new AppError('invalid', `the workspace has a member "${member}", which is not in the commit`, {
      hint: 'commit the folder or remove it from "members" in Cargo.toml',
    });
  }
}

/** Names of all crates that Cargo.lock has; empty without one. */
export async function lockedCrates(tree: SourceTree): Promise<Set<string>> {
  const text = await tree.readText('Cargo.lock', 16 * 1024 * 1024);
  return new Set([...(text ?? '').matchAll(/^name = "([\w-]+)"$/gm)].map((match) => match[1] ?? ''));
}
