// Reads the repository's own sources for the architecture tests: files under version control, their imports, their sizes.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runCommandOk } from '@berth/kit/run-command.ts';

export const repository = join(import.meta.dirname, '../..');

/** Paths of tracked and of new, not ignored files, relative to the repository. */
export async function listFiles(): Promise<string[]> {
  const { stdout } = await runCommandOk([
    'git',
    '-C',
    repository,
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
  ]);
  return stdout
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(repository, path)));
}

export function read(path: string): string {
  return readFileSync(join(repository, path), 'utf8');
}

export function countLines(path: string): number {
  return read(path).split('\n').length - 1;
}

export const isTypeScript = (path: string) =>
  path.endsWith('.ts') && !path.includes('/fixtures/') && !path.startsWith('infra/samples/');
export const isTest = (path: string) => path.endsWith('.test.ts') || path.startsWith('tests/');

/** The folder of each workspace name, longest first: `@berth/store` → `apps/store`. */
export function workspaces(): Map<string, string> {
  const root = JSON.parse(read('package.json')) as { workspaces: string[] };
  return new Map(
    root.workspaces.map((folder) => [
      (JSON.parse(read(`${folder}/package.json`)) as { name: string }).name,
      folder,
    ]),
  );
}

/** Every module a file names: `from '…'`, `import '…'`, `import('…')`. */
export function importsOf(path: string): string[] {
  const source = read(path).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\()['"]([^'"\n]+)['"]/g;
  return [...source.matchAll(pattern)].map(([, name]) => name ?? '');
}

/** The repository path an import means, or undefined for a package or a module of Node. */
export function resolveImport(from: string, name: string, packages: Map<string, string>): string | undefined {
  if (name.startsWith('.')) return relative(repository, join(repository, dirname(from), name));
  const [scope = '', base = '', ...rest] = name.split('/');
  const folder = packages.get(`${scope}/${base}`);
  return folder === undefined ? undefined : join(folder, ...rest);
}
