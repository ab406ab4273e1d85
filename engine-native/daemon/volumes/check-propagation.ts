// May a bind pass mounts on in the way that was asked for? Only when the host's own mount below it does; said when the container is made.
import { posix } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import type { Propagation } from '../containers/mount-point.ts';

/** `mountinfo`: the text of /proc/self/mountinfo. */
export function checkPropagation(source: string, propagation: Propagation, mountinfo: string): void {
  const isShared = propagation === 'shared' || propagation === 'rshared';
  const isSlave = propagation === 'slave' || propagation === 'rslave';
  if (!isShared && !isSlave) return;
  const mount = mountOf(source, mountinfo);
  const known = isShared ? ['shared:'] : ['shared:', 'master:'];
  if (mount?.options.some((option) => known.some((kind) => option.startsWith(kind)))) return;
  throw new AppError(
    'bad_request',
    `path ${source} is mounted on ${mount?.point ?? '/'} but it is not a shared${isSlave ? ' or slave' : ''} mount`,
  );
}

/** The mount that a path lies on: of several on one place the last covers the others. */
function mountOf(path: string, mountinfo: string): { point: string; options: string[] } | undefined {
  const mounts = mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      const point = (fields[4] ?? '').replace(/\\([0-7]{3})/g, (_, code: string) =>
        String.fromCharCode(Number.parseInt(code, 8)),
      );
      return { point, options: fields.slice(6, fields.indexOf('-')) };
    });
  const covers = (point: string) => !posix.relative(point, path).startsWith('..');
  return mounts
    .filter(({ point }) => covers(point))
    .reduce<(typeof mounts)[number] | undefined>(
      (best, mount) => (best && best.point.length > mount.point.length ? best : mount),
      undefined,
    );
}
