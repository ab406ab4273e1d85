// Names of repositories and tags, as the distribution spec has them, and patterns that grants are written in. Pure.
// What passes here is safe as a path below the registry's folder: no dot first, no empty part, no upper case.
import { isDigest } from '../content/digest.ts';
import { RegistryError } from './registry-error.ts';

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const maxNameLength = 255; // what clients accept, and what a folder's name may be

export function checkName(name: string): string {
  const isRight = name.length <= maxNameLength && name.split('/').every((part) => component.test(part));
  if (!isRight) throw new RegistryError('NAME_INVALID', `"${name.slice(0, 100)}" is not a repository name`);
  return name;
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/** A tag or a digest, or `MANIFEST_INVALID`. */
export function checkReference(reference: string): string {
  if (isTag(reference) || isDigest(reference)) return reference;
  const [code, kind] = reference.includes(':')
    ? (['DIGEST_INVALID', 'sha256 or sha512 digest'] as const)
    : (['MANIFEST_INVALID', 'tag'] as const);
  throw new RegistryError(code, `"${reference.slice(0, 150)}" is not a ${kind}`);
}

/** In a pattern, `*` stands for any characters, slashes too: `team/*` is everything below `team`. */
export function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern.split('*').map((part) => part.replaceAll(/[.\\+?^${}()|[\]]/g, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`).test(name);
}

export function isPattern(text: string): boolean {
  return /^[a-z0-9*][a-z0-9*._/-]{0,254}$/.test(text) && (text.match(/\*/g) ?? []).length <= 3;
}
