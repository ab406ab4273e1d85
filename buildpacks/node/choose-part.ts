// Which package of a repository is built and started: the root's, or one of its workspaces. Used by driver.ts.
import { AppError } from '@berth/kit/errors.ts';
import { type Facts, type Part, readPart } from './facts.ts';

/** `othersSay`: a Procfile or another language starts the app, so that the root will do. */
export async function choosePart(facts: Facts, othersSay: boolean): Promise<Part> {
  const { tree, root, workspaces } = facts;
  if (workspaces.length === 0 || othersSay || root.manifest.scripts['start']) return root;
  if (root.framework?.start ?? root.framework?.site) return root;
  if (tree.has('server.js')) return root;
  const withStart = workspaces.filter(({ manifest }) => manifest.scripts['start']);
  const [only, ...others] = withStart;
  if (only && others.length === 0) return readPart(tree, only.manifest, only.folder);
  const parts = await Promise.all(
    (only ? withStart : workspaces).map(({ manifest, folder }) => readPart(tree, manifest, folder)),
  );
  const startable = only ? parts : parts.filter(({ framework }) => framework?.start ?? framework?.site);
  const [single, second] = startable;
  if (single && !second) return single;
  if (!single) return root;
  const folders = startable.map(({ folder }) => `"${folder}"`);
  const shown = folders.slice(0, 6).join(', ') + (folders.length > 6 ? ', …' : '');
  throw new AppError('invalid', `several workspaces could be the app: ${shown}`, {
    hint: `say which: a "start" script in the root's package.json, or a command for web in berth.toml or in a Procfile, for example "web: cd ${single.folder} && npm start"`,
  });
}
