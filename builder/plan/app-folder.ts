// The app's own folder, when a config var names it, as Heroku's buildpacks for monorepos have it. Called by build-image.ts, before anything is read.
// A var beats `root` of a berth.toml at the root of the repository: it belongs to one app, the file to all that are pushed from there.
import { AppError } from '@berth/kit/errors.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { subtree } from '../source/subtree.ts';

/** Buildpacks that move the folder themselves: they must find the whole repository. */
const movers = /subdir-heroku-buildpack|heroku-buildpack-(monorepo|subdir)/;
const vars = ['PROJECT_PATH', 'APP_BASE'] as const;

export interface AppFolder {
  tree: SourceTree;
  /** For the log; absent when the whole tree is the app. */
  folder?: string;
  namedBy?: string;
}

export async function appFolder(
  pushed: SourceTree,
  set: { buildpacks: readonly string[]; vars: Readonly<Record<string, string>> },
): Promise<AppFolder> {
  const namedBy = vars.find((name) => (set.vars[name] ?? '').trim() !== '');
  if (namedBy === undefined) return { tree: pushed };
  const list = (await pushed.readText('.buildpacks', 64 * 1024)) ?? '';
  if ([...set.buildpacks, set.vars['BUILDPACK_URL'] ?? '', list].some((entry) => movers.test(entry)))
    return { tree: pushed };
  const written = (set.vars[namedBy] ?? '').trim();
  const parts = written.split('/').filter((part) => part !== '' && part !== '.');
  const folder = parts.join('/');
  if (folder === '') return { tree: pushed };
  if (!pushed.hasFolder(folder)) throw missing(pushed, written, parts, namedBy);
  return { tree: subtree(pushed, folder), folder, namedBy };
}

function missing(tree: SourceTree, written: string, parts: readonly string[], namedBy: string): AppError {
  const parent = parts.slice(0, -1).join('/');
  const prefix = parent === '' || !tree.hasFolder(parent) ? '' : `${parent}/`;
  const beside = new Set<string>();
  for (const path of tree.entries.keys()) {
    const at = path.startsWith(prefix) ? path.indexOf('/', prefix.length) : -1;
    if (at !== -1) beside.add(path.slice(0, at));
  }
  const shown = written.length > 100 ? `${written.slice(0, 100)}…` : written;
  return new AppError(
    'invalid',
    `the config var ${namedBy} names "${shown}", which is no folder of the commit`,
    {
      hint:
        beside.size === 0
          ? `berth config:unset ${namedBy}`
          : `there are: ${[...beside].slice(0, 10).join(', ')}`,
    },
  );
}
