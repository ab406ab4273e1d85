// Reads one small file out of an image's layers, as its containers would see it. Called by GET /berth/images/{id}/file.
// Must never follow a link out of the image: every component is looked at by itself, links are resolved by hand.
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';

const maxFileBytes = 1024 * 1024;
const maxLinks = 40; // the kernel's own limit

/** `layers`: folders of the unpacked layers, lowest first. */
export function readImageFile(layers: string[], path: string): Buffer {
  const notFound = () => new AppError('not_found', `no file "${path}" in the image`);
  let rest = path.split('/').filter((part) => part !== '' && part !== '.');
  let at: string[] = [];
  let links = 0;
  while (rest.length > 0) {
    const [part = '', ...others] = rest;
    rest = others;
    if (part === '..') {
      at = at.slice(0, -1);
      continue;
    }
    const found = lookUp(layers, [...at, part]);
    if (!found) throw notFound();
    if (found.link === undefined) {
      at = [...at, part];
      if (rest.length === 0) return readSmall(found.path, path);
      continue;
    }
    links += 1;
    if (links > maxLinks) throw new AppError('bad_request', `"${path}" has too many symbolic links`);
    if (found.link.startsWith('/')) at = [];
    rest = [...found.link.split('/').filter((piece) => piece !== '' && piece !== '.'), ...rest];
  }
  throw notFound();
}

/** The topmost layer that has the name decides; a whiteout or a non-folder on the way hides what lies below. */
function lookUp(layers: string[], parts: string[]): { path: string; link?: string } | undefined {
  for (const layer of layers.toReversed()) {
    let path = layer;
    for (const [index, part] of parts.entries()) {
      path = join(path, part);
      const stat = lstatOrNone(path);
      if (!stat) break;
      const isWhiteout = stat.isCharacterDevice() && stat.rdev === 0;
      if (isWhiteout) return undefined;
      if (index === parts.length - 1)
        return stat.isSymbolicLink() ? { path, link: readlinkSync(path) } : { path };
      if (!stat.isDirectory()) return undefined;
    }
  }
  return undefined;
}

function lstatOrNone(path: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

function readSmall(path: string, name: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new AppError('bad_request', `"${name}" is not a file`);
    if (stat.size > maxFileBytes) throw new AppError('too_large', `"${name}" is larger than 1 MiB`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
