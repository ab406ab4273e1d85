// Hashes as lock files write them, in the form of an SBOM. Pure; what is no hash gives none.
import type { Hash } from './inventory.ts';

const bytesOf: Readonly<Record<string, [Hash['alg'], number]>> = {
  md5: ['MD5', 16],
  sha1: ['SHA-1', 20],
  sha256: ['SHA-256', 32],
  sha384: ['SHA-384', 48],
  sha512: ['SHA-512', 64],
};

/** Subresource integrity: "sha512-<base64>", several with spaces between. */
export function integrityHashes(integrity: unknown): Hash[] {
  if (typeof integrity !== 'string') return [];
  return integrity.split(/\s+/).flatMap((one) => {
    const [, algorithm = '', base64 = ''] = /^(\w+)-([A-Za-z0-9+/]+={0,2})(?:\?.*)?$/.exec(one) ?? [];
    return hexHashes(algorithm, Buffer.from(base64, 'base64').toString('hex'));
  });
}

/** "sha256:<hex>" */
export function prefixedHashes(text: unknown): Hash[] {
  if (typeof text !== 'string') return [];
  const [algorithm = '', hex = ''] = text.split(/[:=]/, 2);
  return hexHashes(algorithm, hex);
}

export function hexHashes(algorithm: string, hex: unknown): Hash[] {
  const [alg, bytes] = bytesOf[algorithm.toLowerCase()] ?? [];
  if (alg === undefined || bytes === undefined || typeof hex !== 'string') return [];
  const content = hex.toLowerCase();
  return content.length === bytes * 2 && /^[0-9a-f]+$/.test(content) ? [{ alg, content }] : [];
}
