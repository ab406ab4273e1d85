// The workspaces of a repository: which folders they are, how they depend on each other, and in which order they are built. Read by facts.ts.
import type { SourceTree } from '@berth/builder/source/source-tree.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type Manifest, readManifest } from './manifest.ts';

export interface Workspace {
  folder: string;
  manifest: Manifest;
}

/** Repositories have dozens; a tree with more only keeps the builder busy. */
const maxWorkspaces = 1000;
/** A folder that a command line can name as it stands. */
const plainFolder = /^[\w@+.-]+(?:\/[\w@+.-]+)*$/;

export async function readWorkspaces(
  tree: SourceTree,
  manifest: Manifest,
  isPnpm: boolean,
): Promise<Workspace[]> {
  const globs = isPnpm
    ? workspaceList((await tree.readText('pnpm-workspace.yaml', 1024 * 1024)) ?? '')
    : (manifest.workspaces ?? []);
  if (globs.length === 0) return [];
  const wanted = globs.filter((glob) => !glob.startsWith('!')).map(folderPattern);
  const unwanted = globs.filter((glob) => glob.startsWith('!')).map((glob) => folderPattern(glob.slice(1)));
  const folders = [...tree.entries.keys()]
    .filter((path) => path.endsWith('/package.json') && !/(^|\/)node_modules\//.test(path))
    .map((path) => path.slice(0, -'/package.json'.length))
    .filter((folder) => wanted.some((pattern) => pattern.test(folder)))
    .filter((folder) => !unwanted.some((pattern) => pattern.test(folder)));
  if (folders.length > maxWorkspaces)
    throw new AppError('invalid', `there are more than ${maxWorkspaces} workspaces`, {
      hint: 'name fewer folders in "workspaces"',
    });
  const odd = folders.find((folder) => !plainFolder.test(folder));
  if (odd !== undefined)
    throw new AppError('invalid', `the workspace folder "${odd.slice(0, 60)}" cannot be used`, {
      hint: 'name it with letters, digits, "-", "_" and "." alone',
    });
  return Promise.all(
    folders.map(async (folder) => ({
      folder,
      manifest: await readManifest(tree, `${folder}/package.json`),
    })),
  );
}

/** `packages:` of pnpm-workspace.yaml: a list of strings, one a line or in brackets. */
export function workspaceList(text: string): string[] {
  const lines = text.split(/\r?\n/);
  const at = lines.findIndex((line) => /^packages\s*:/.test(line));
  if (at === -1) return [];
  const inline = /^packages\s*:\s*\[(.*)\]/.exec(lines[at] ?? '')?.[1];
  if (inline !== undefined) return inline.split(',').map(unquoted).filter(Boolean);
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((line) => /^[^\s#-]/.test(line));
  return rest
    .slice(0, end === -1 ? rest.length : end)
    .flatMap((line) => /^\s*-\s+(.+)$/.exec(line)?.[1] ?? [])
    .map(unquoted)
    .filter(Boolean);
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  const quoted = /^'([^']*)'|^"([^"]*)"/.exec(trimmed);
  return quoted ? (quoted[1] ?? quoted[2] ?? '') : trimmed.replace(/\s+#.*$/, '');
}

/** `*` is one segment or a part of it, `**` any number. */
function folderPattern(glob: string): RegExp {
  const source = glob
    .replace(/^\.\//, '')
    .replace(/\/+$/, '')
    .split(/(\*\*\/?|\*|\{[^{}]*\})/)
    .map((part) => {
      if (part.startsWith('**')) return part.endsWith('/') ? '(?:[^/]+/)*' : '.*';
      if (part === '*') return '[^/]*';
      if (/^\{.*\}$/.test(part)) return `(?:${part.slice(1, -1).split(',').map(escaped).join('|')})`;
      return escaped(part);
    })
    .join('');
  return new RegExp(`^${source}$`);
}

function escaped(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\*]/g, '\\$&');
}

/** The workspace and those of its kin that it needs, each after those it needs itself. A circle is cut where it closes. */
export function buildOrder(workspaces: readonly Workspace[], goal: Workspace): Workspace[] {
  const byName = new Map(workspaces.map((workspace) => [workspace.manifest.name ?? '', workspace]));
  const order = new Set<Workspace>();
  const seen = new Set<Workspace>();
  const visit = (workspace: Workspace): void => {
    if (seen.has(workspace)) return;
    seen.add(workspace);
    const { dependencies, devDependencies, optionalDependencies, peerDependencies } = workspace.manifest;
    const names = { ...dependencies, ...devDependencies, ...optionalDependencies, ...peerDependencies };
    for (const name of Object.keys(names)) {
      const needed = byName.get(name);
      if (needed) visit(needed);
    }
    order.add(workspace);
  };
  visit(goal);
  return [...order];
}
