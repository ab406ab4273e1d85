// Content digests, `sha256:<hex>` and `sha512:<hex>`: reading and checking them. Pure; what it lets pass is safe as a file name.
import { createHash, type Hash } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';

export const digestAlgorithms = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof digestAlgorithms;

export interface Digest {
  algorithm: DigestAlgorithm;
  hex: string;
}

export function isDigestAlgorithm(name: string): name is DigestAlgorithm {
  return Object.hasOwn(digestAlgorithms, name);
}

/** Throws `bad_request` for anything but a whole digest in lower case. */
export function parseDigest(text: string): Digest {
  const cut = text.indexOf(':');
  const algorithm = text.slice(0, Math.max(cut, 0));
  const hex = text.slice(cut + 1);
  if (!isDigestAlgorithm(algorithm) || hex.length !== digestAlgorithms[algorithm] || !/^[0-9a-f]+$/.test(hex))
    throw new AppError('bad_request', `"${text.slice(0, 150)}" is not a sha256 or sha512 digest`);
  return { algorithm, hex };
}

export function isDigest(text: string): boolean {
  try {
    parseDigest(text);
    return true;
  } catch {
    return false;
  }
}

export function hashFor(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm);
}

export function digestOfBytes(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}
