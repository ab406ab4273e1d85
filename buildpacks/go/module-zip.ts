// A Go module's zip: its files, and the `h1:` hash the go command would compute (golang.org/x/mod/sumdb/dirhash). Used by fetch-toolchain.mjs.
// Reads only what module zips have: stored and deflated entries, no zip64, no encryption.
import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';

const endSignature = 0x06054b50;
const entrySignature = 0x02014b50;
/** A toolchain's largest file has 25 MB. */
const maxFileBytes = 256 * 1024 * 1024;

/** Name and content of every file, in the archive's order. */
export function* filesOf(zip: Buffer): Generator<{ name: string; content: Buffer }> {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== endSignature) end--;
  if (end < 0) throw new Error('the archive is damaged');
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let index = 0; index < count; index++) {
    if (zip.readUInt32LE(at) !== entrySignature) throw new Error('the archive is damaged');
    const method = zip.readUInt16LE(at + 10);
    const packed = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const extraLength = zip.readUInt16LE(at + 30);
    const commentLength = zip.readUInt16LE(at + 32);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    at += 46 + nameLength + extraLength + commentLength;
    if (name.endsWith('/')) continue;
    const begin = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const raw = zip.subarray(begin, begin + packed);
    if (method !== 0 && method !== 8) throw new Error(`"${name}" is packed in an unknown way`);
    yield { name, content: method === 0 ? raw : inflateRawSync(raw, { maxOutputLength: maxFileBytes }) };
  }
}

/** SHA-256 over the sorted list of each file's SHA-256 and name. `sums`: hex digest by name. */
export function hashOne(sums: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  const names = [...sums.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) hash.update(`${sums.get(name)}  ${name}\n`);
  return `h1:${hash.digest('base64')}`;
}
