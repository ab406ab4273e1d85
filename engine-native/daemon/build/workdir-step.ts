// WORKDIR: a path for the config and, where the stage has no such folder yet, a layer with it.
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { foldersOf, type StepPlace } from './build-run.ts';
import { makeCopiedLayer } from './new-layer.ts';
import { findInTree } from './tree.ts';

export function workingDirOf(current: string, asked: string, line: number): string {
  if (asked === '' || asked.includes('\0'))
    throw new AppError('bad_request', `dockerfile line ${line}: cannot normalize nothing`);
  const path = posix.normalize(posix.join(posix.isAbsolute(asked) ? '/' : current || '/', asked));
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

/** The layer with the folder, or undefined when it is there. */
export async function makeWorkingDir({ run, state }: StepPlace, path: string): Promise<string | undefined> {
  const below = foldersOf(state, run.parts.layers);
  if (below.length > 0) {
    const there = await findInTree(run.parts.helper, below, path, { depth: 0 });
    if (there?.start.type === 'folder') return undefined;
  } else if (path === '/') return undefined;
  const record = { op: 'mkdir' as const, mode: undefined, source: '', target: path.replace(/^\//, '') };
  return makeCopiedLayer(run, below, [
    { source: undefined, owner: undefined, records: [record], destination: '' },
  ]);
}
