// The drivers in the order they are asked: the first that knows the tree builds it. A new language is a folder in buildpacks/ and a line here.
import { AppError } from '@berth/kit/errors.ts';
import { nodeDriver } from '../../buildpacks/node/driver.ts';
import { staticDriver } from '../../buildpacks/static/driver.ts';
import type { SourceTree } from '../source/source-tree.ts';
import type { Driver } from './plan.ts';

export const drivers: readonly Driver[] = [nodeDriver, staticDriver];

export interface Detected {
  driver: Driver;
  label: string;
}

export async function findDriver(tree: SourceTree): Promise<Detected | undefined> {
  for (const driver of drivers) {
    const label = await driver.detect(tree);
    if (label !== undefined) return { driver, label };
  }
  return undefined;
}

export async function detectDriver(tree: SourceTree): Promise<Detected> {
  const found = await findDriver(tree);
  if (found) return found;
  if (tree.entries.size === 0)
    throw new AppError('invalid', 'the commit has no files', { hint: 'commit your app and push again' });
  throw new AppError('invalid', 'no recognisable app in the commit', { hint: hintFor(tree) });
}

/** Most often the app is there, one folder down. */
function hintFor(tree: SourceTree): string {
  const nested = [...tree.entries.keys()].find((path) =>
    /^[^/]+\/(package\.json|index\.html|Dockerfile)$/.test(path),
  );
  const looked = 'looked for package.json (Node.js), index.html (static site) and Dockerfile at the root';
  if (nested === undefined) return looked;
  const folder = nested.split('/')[0];
  return `${looked}; there is "${nested}": push that folder with "git subtree push --prefix ${folder} berth main"`;
}
