// Passes content on while hashing it, and holds back the last piece until the digest is known to be right. Called by blob stores.
// Must never let a reader have a whole blob that is not what its name says.
import { hashFor, parseDigest } from './digest.ts';

/** Yields the content; returns whether it has the digest. When it has not, the last piece was not given out. */
export async function* checkedContent(
  source: AsyncIterable<Buffer>,
  digest: string,
): AsyncGenerator<Buffer, boolean> {
  const { algorithm, hex } = parseDigest(digest);
  const hash = hashFor(algorithm);
  let held: Buffer | undefined;
  for await (const chunk of source) {
    hash.update(chunk);
    if (held) yield held;
    held = chunk;
  }
  if (hash.digest('hex') !== hex) return false;
  if (held) yield held;
  return true;
}
