// Which files of a tree say what its packages are, read as git blobs while the build runs, and given to their readers afterwards.
// Called by attest-build.ts. Must never fail a build: what cannot be read is a note in the SBOM.
import { posix } from 'node:path';
import { asAppError } from '@berth/kit/errors.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { field, fieldsOf, textOf } from './fields.ts';
import { Inventory } from './inventory.ts';
import { readCargoLock } from './read-cargo-lock.ts';
import { readGoModules } from './read-go-modules.ts';
import { readNpmLock } from './read-npm-lock.ts';
import { readComposerLock, readGemfileLock, readGradleLock, readPom } from './read-other-locks.ts';
import { readBunLock, readPnpmLock } from './read-pnpm-lock.ts';
import { readPipfileLock, readPoetryLock, readRequirements, readUvLock } from './read-python-locks.ts';
import { readYarnLock } from './read-yarn-lock.ts';

/** Texts by path. */
export type LockFiles = ReadonlyMap<string, string>;

/** What is kept in memory while a build runs. */
const maxBytes = 48 * 1024 * 1024;
const maxFileBytes = 24 * 1024 * 1024;
const maxFiles = 200;

/** Of each row the first file that is there counts: it is the one its tools read. */
const families: readonly (readonly string[])[] = [
  ['npm-shrinkwrap.json', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock'],
  ['uv.lock', 'poetry.lock', 'Pipfile.lock', 'pdm.lock', 'requirements.txt'],
  ['go.mod'],
  ['Cargo.lock'],
  ['gradle.lockfile', 'pom.xml'],
  ['Gemfile.lock'],
  ['composer.lock'],
];
/** Beside each row: where packages are asked for when no file of the row fixes them. */
const askedIn: readonly (readonly string[])[] = [
  ['package.json'],
  ['pyproject.toml', 'Pipfile', 'setup.py'],
  [],
  ['Cargo.toml'],
  ['build.gradle', 'build.gradle.kts'],
  ['Gemfile'],
  ['composer.json'],
];
/** Read along with one of the above. */
const companions: Readonly<Record<string, readonly string[]>> = {
  'yarn.lock': ['package.json'],
  'go.mod': ['go.sum'],
};
const notTheApp = /(^|\/)(node_modules|vendor|third_party|tests?|testdata|fixtures|examples?|docs?)(\/|$)/;
const requirementsFolder = /^(requirements\/[^/]+|requirements[\w.-]*)\.txt$/;

/** `everywhere`: a Dockerfile may take its packages from any folder; our drivers build the root, or the modules of a workspace. */
export async function readLockFiles(
  tree: SourceTree,
  { everywhere }: { everywhere: boolean },
): Promise<LockFiles> {
  const texts = new Map<string, string>();
  const packageJson = await tree.readText('package.json', maxFileBytes).catch(() => undefined);
  const asked = managerOf(packageJson);
  let left = maxBytes;
  for (const path of pathsOf(tree, everywhere, asked)) {
    const text = await tree.readText(path, Math.min(left, maxFileBytes)).catch(() => undefined);
    if (text === undefined) continue;
    left -= Buffer.byteLength(text);
    texts.set(path, text);
    if (left <= 0 || texts.size >= maxFiles) break;
  }
  return texts;
}

function pathsOf(tree: SourceTree, everywhere: boolean, asked: string | undefined): string[] {
  const modules =
    everywhere || tree.has('go.work') || tree.has('settings.gradle') || tree.has('settings.gradle.kts');
  const folders = new Set(['']);
  if (modules)
    for (const path of tree.entries.keys()) {
      const folder = posix.dirname(path);
      if (folder !== '.' && !notTheApp.test(folder)) folders.add(folder);
    }
  const found: string[] = [];
  for (const folder of folders)
    for (const [index, family] of families.entries()) {
      const present = family.filter((name) => tree.has(posix.join(folder, name)));
      const name = present.find((one) => one === asked) ?? present[0];
      if (name === undefined && folder === '')
        found.push(...(askedIn[index] ?? []).filter((one) => tree.has(one)));
      if (name === undefined) continue;
      for (const one of [name, ...(companions[name] ?? [])])
        if (tree.has(posix.join(folder, one))) found.push(posix.join(folder, one));
    }
  const hasPythonLock = found.some((path) => /^(uv\.lock|poetry\.lock|Pipfile\.lock|pdm\.lock)$/.test(path));
  if (!hasPythonLock) found.push(...[...tree.entries.keys()].filter((path) => requirementsFolder.test(path)));
  return [...new Set(found)];
}

/** Several lock files side by side: "packageManager" says whose counts. */
function managerOf(packageJson: string | undefined): string | undefined {
  try {
    const manager = textOf(JSON.parse(packageJson ?? '{}'), 'packageManager') ?? '';
    return { npm: 'package-lock.json', yarn: 'yarn.lock', pnpm: 'pnpm-lock.yaml', bun: 'bun.lock' }[
      manager.split('@', 1)[0] ?? ''
    ];
  } catch {
    return undefined;
  }
}

export function inventoryOf(files: LockFiles): Inventory {
  const into = new Inventory();
  for (const [path, text] of files) {
    try {
      readOne(path, text, files, into);
    } catch (error) {
      // Its author's tools have read it, so only our reader is at fault; the build stands.
      into.notes.push(`"${path}" could not be read (${asAppError(error).code})`);
    }
  }
  const requirements = requirementTexts(files);
  if (requirements.length > 0) readRequirements(requirements, into);
  return into;
}

function readOne(path: string, text: string, files: LockFiles, into: Inventory): void {
  const beside = (name: string) => files.get(posix.join(posix.dirname(path), name));
  const name = posix.basename(path);
  if (name === 'package-lock.json' || name === 'npm-shrinkwrap.json') readNpmLock(text, into);
  else if (name === 'yarn.lock') readYarnLock(text, into, beside('package.json'));
  else if (name === 'pnpm-lock.yaml') readPnpmLock(text, into);
  else if (name === 'bun.lock') readBunLock(text, into);
  else if (name === 'uv.lock') readUvLock(text, into);
  else if (name === 'poetry.lock' || name === 'pdm.lock') readPoetryLock(text, into);
  else if (name === 'Pipfile.lock') readPipfileLock(text, into);
  else if (name === 'go.mod') readGoModules(text, beside('go.sum') ?? '', into);
  else if (name === 'Cargo.lock') readCargoLock(text, into);
  else if (name === 'gradle.lockfile') readGradleLock(text, into);
  else if (name === 'pom.xml') readPom(text, path, into);
  else if (name === 'Gemfile.lock') readGemfileLock(text, into);
  else if (name === 'composer.lock') readComposerLock(text, into);
  else if (name !== 'package.json' || (beside('yarn.lock') === undefined && asksForPackages(text)))
    if (askedIn.flat().includes(name))
      into.notes.push(`the packages of "${path}": no lock file says which they are`);
}

function asksForPackages(packageJson: string): boolean {
  return Object.keys(fieldsOf(field(JSON.parse(packageJson), 'dependencies'))).length > 0;
}

/** The file that is installed, then those it includes. */
function requirementTexts(files: LockFiles): string[] {
  const roots = [...files.keys()].filter((path) => posix.basename(path) === 'requirements.txt');
  const first =
    roots.length > 0 ? roots : [...files.keys()].filter((path) => requirementsFolder.test(path)).slice(0, 1);
  const seen = new Set<string>();
  const waiting = [...first];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const text = files.get(path);
    if (text === undefined || seen.has(path)) continue;
    seen.add(path);
    for (const [, included = ''] of text.matchAll(/^\s*(?:-r|--requirement)[ =]*(\S+)/gm))
      waiting.push(posix.join(posix.dirname(path), included));
  }
  return [...seen].map((path) => files.get(path) ?? '');
}
