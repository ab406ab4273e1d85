// Finds the commands of a Go app (folders whose Go files say `package main`) and whether any of its files needs a C compiler.
// Called once a plan, by facts.ts; reads every Go file of the modules at most once, tests and vendored packages excepted.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface GoSources {
  /** Folders with a main package, '' for the root, sorted. */
  mains: string[];
  usesC: boolean;
}

/** Reading more would take longer than building it; of a larger tree only likely places are read. */
const maxFilesRead = 3000;
const maxFileBytes = 32 * 1024 * 1024;

/** `modules`: folders whose go.mod belongs to the build; Go files below any other go.mod do not. */
export async function readGoSources(tree: SourceTree, modules: readonly string[]): Promise<GoSources> {
  const files = [...tree.entries]
    .filter(([path, entry]) => entry.kind !== 'symlink' && isSource(path))
    .map(([path]) => path)
    .filter((path) => modules.includes(moduleOf(tree, path)));
  const read = files.length > maxFilesRead ? files.filter(isLikely).slice(0, maxFilesRead) : files;
  const mains = new Set<string>();
  let usesC = false;
  await Promise.all(
    read.map(async (path) => {
      const text = await tree.readText(path, maxFileBytes);
      if (text === undefined) return;
      const { isMain, importsC } = readGoFile(text);
      if (isMain) mains.add(folderOf(path));
      if (importsC) usesC = true;
    }),
  );
  return { mains: [...mains].sort(), usesC };
}

function isSource(path: string): boolean {
  if (!path.endsWith('.go') || path.endsWith('_test.go')) return false;
  if (/_(windows|darwin|js|wasm|plan9|freebsd|android|ios)\.go$/.test(path)) return false;
  const folders = path.split('/').slice(0, -1);
  return !folders.some((name) => /^[._]/.test(name) || ['vendor', 'testdata', 'node_modules'].includes(name));
}

function isLikely(path: string): boolean {
  return !path.includes('/') || /(^|\/)cmd\//.test(path) || /(^|\/)(main|cgo)[^/]*\.go$/.test(path);
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

/** The nearest folder above with a go.mod; "?" when there is none. */
export function moduleOf(tree: SourceTree, path: string): string {
  for (let folder = folderOf(path); ; folder = folderOf(folder)) {
    if (tree.has(folder === '' ? 'go.mod' : `${folder}/go.mod`)) return folder;
    if (folder === '') return '?';
  }
}

/** What a file says before its first declaration. A file that is left out on Linux says nothing. */
export function readGoFile(text: string): { isMain: boolean; importsC: boolean } {
  const clause = /^package\s+(\w+)/m;
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => (/^package\s/m.test(comment) ? '' : comment));
  const at = code.search(clause);
  if (at === -1) return { isMain: false, importsC: false };
  const constraint = /^\/\/go:build (.+)$/m.exec(code.slice(0, at))?.[1] ?? oldConstraint(code.slice(0, at));
  if (constraint !== undefined && !mayHold(constraint)) return { isMain: false, importsC: false };
  return {
    isMain: clause.exec(code)?.[1] === 'main',
    importsC: /^import\s+"C"|^import\s*\((?:[^)]*\n)?\s*"C"/m.test(code),
  };
}

function oldConstraint(header: string): string | undefined {
  return /^\/\/ \+build ignore/m.test(header) ? 'ignore' : undefined;
}

const knownTags = /^(linux|unix|amd64|arm64|gc|cgo|go1\.\d+)$/;

/** Brackets are taken for spaces: for telling `ignore` and `windows` from `linux || darwin` that is enough. */
function mayHold(constraint: string): boolean {
  const holds = (term: string) =>
    term.startsWith('!') ? !knownTags.test(term.slice(1)) : knownTags.test(term);
  return constraint
    .replace(/[()]/g, '')
    .split('||')
    .some((all) => all.split('&&').every((term) => holds(term.trim())));
}

/** Folders whose commands are tools of the developers rather than of the app. */
const notTheApp = /(^|\/)(examples?|tests?|tools?|scripts?|hack|docs?|internal|e2e|benchmarks?)(\/|$)/;

/** Which commands are built when nobody says it: the modules' own roots and cmd/, else all that are not tools, else all. */
export function defaultCommands(mains: readonly string[], modules: readonly string[]): string[] {
  const usual = mains.filter((folder) =>
    modules.some((module) => {
      const within = module === '' ? folder : folder.slice(module.length + 1);
      return (
        folder === module || ((module === '' || folder.startsWith(`${module}/`)) && /^cmd(\/|$)/.test(within))
      );
    }),
  );
  if (usual.length > 0) return usual;
  const others = mains.filter((folder) => !notTheApp.test(folder));
  return others.length > 0 ? others : [...mains];
}

/** `./cmd/...` and `./x` as folders with a main package; what is no folder of the tree stays what it is (an import path). */
export function expandSpecs(specs: readonly string[], mains: readonly string[], from: string): string[] {
  const expanded = specs.flatMap((spec) => {
    if (!/^[\w.][\w./~@+-]*$/.test(spec))
      throw new AppError('invalid', `"${spec}" (${from}) is not a package to build`, {
        hint: 'write folders or import paths, for example "./cmd/web ./cmd/worker"',
      });
    if (!/^\.(\/|$)/.test(spec)) return [spec];
    const folder = spec.replace(/^\.\/?/, '').replace(/\/$/, '');
    if (!folder.endsWith('...')) return [`./${folder}`];
    const above = folder.replace(/\/?\.\.\.$/, '');
    const matching = mains.filter((main) => above === '' || main === above || main.startsWith(`${above}/`));
    if (matching.length === 0)
      throw new AppError('invalid', `there is no main package below "${spec}" (${from})`, {
        hint: 'name folders whose files say "package main"',
      });
    return matching.map((main) => `./${main}`);
  });
  return [...new Set(expanded)];
}
