// Asks Go's checksum database for the hash of a toolchain and proves the answer: the record must be in the tree whose head the database has signed.
// Used by fetch-toolchain.mjs in a build container. A proxy or mirror on the way can hide a record, but not make one up.
// The format: golang.org/design/25530-sumdb; tiles of height 8.
import { createHash, createPublicKey, verify } from 'node:crypto';

/** The two names by which the go command knows the database without being told a key. */
const knownKey = 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8';
const otherNames: Readonly<Record<string, string>> = {
  'sum.golang.google.cn': 'https://sum.golang.google.cn',
};

export interface ChecksumDatabase {
  name: string;
  /** Eight hex digits: which key signed. */
  hash: string;
  key: Buffer;
  address: string;
}

/** Gives the bytes of a path of the database. */
type Read = (path: string) => Promise<Buffer>;

/** GOSUMDB's value as name, key and address; undefined: the operator turned it off. */
export function readDatabaseSetting(text: string | undefined): ChecksumDatabase | undefined {
  const [first = '', address] = (text || 'sum.golang.org').trim().split(/\s+/);
  if (first === 'off') return undefined;
  const other = otherNames[first];
  const verifier = other || first === 'sum.golang.org' ? knownKey : first;
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(verifier);
  if (!parts) throw new Error(`GOSUMDB "${first}" has no key: write "name+hash+key"`);
  const [, name = '', hash = '', key = ''] = parts;
  const raw = Buffer.from(key, 'base64');
  if (raw[0] !== 1 || raw.length !== 33) throw new Error(`GOSUMDB "${name}" has a key of an unknown kind`);
  return { name, hash, key: raw.subarray(1), address: address ?? other ?? `https://${name}` };
}

/** The `h1:` hash of a module version. */
export async function provenHash(
  database: ChecksumDatabase,
  module: string,
  version: string,
  read: Read,
): Promise<string> {
  const answer = (await read(`/lookup/${module}@${version}`)).toString('utf8');
  const { id, record, head } = splitAnswer(answer);
  const tree = openNote(head, database);
  if (id >= tree.size) throw new Error('the checksum database named a record beyond its own tree');
  const root = await rootThrough(id, leafHash(record), tree.size, tileReader(tree.size, read));
  if (!root.equals(tree.hash)) throw new Error('the checksum database cannot prove its answer');
  const line = record.split('\n').find((text) => text.startsWith(`${module} ${version} h1:`));
  if (!line) throw new Error('the checksum database answered about something else');
  return line.split(' ')[2] ?? '';
}

function splitAnswer(text: string): { id: number; record: string; head: string } {
  const end = text.indexOf('\n\n');
  const id = Number(/^(\d{1,15})\n/.exec(text)?.[1] ?? Number.NaN);
  if (end === -1 || !Number.isSafeInteger(id)) throw new Error('the checksum database gave no answer');
  return { id, record: text.slice(text.indexOf('\n') + 1, end + 1), head: text.slice(end + 2) };
}

/** The tree's size and root hash, when the database has signed them. */
export function openNote(
  note: string,
  { name, hash, key }: ChecksumDatabase,
): { size: number; hash: Buffer } {
  const end = note.lastIndexOf('\n\n');
  const text = note.slice(0, end + 1);
  const signed = note
    .slice(end + 2)
    .split('\n')
    .filter((line) => line.startsWith(`\u2014 ${name} `))
    .map((line) => Buffer.from(line.split(' ')[2] ?? '', 'base64'))
    .some((raw) => raw.subarray(0, 4).toString('hex') === hash && isSigned(text, raw.subarray(4), key));
  if (end === -1 || !signed) throw new Error('the answer of the checksum database is not signed by it');
  const [title, size, root = ''] = text.split('\n');
  if (title !== 'go.sum database tree') throw new Error('the checksum database signed something else');
  return { size: Number(size), hash: Buffer.from(root, 'base64') };
}

function isSigned(text: string, signature: Uint8Array, key: Buffer): boolean {
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') },
    format: 'jwk',
  });
  return verify(null, Buffer.from(text), publicKey, signature);
}

const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
export const leafHash = (record: string): Buffer => sha256(Buffer.of(0), record);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** The root that a tree of `size` leaves has when leaf `id` is `leaf`; all other hashes come from `nodeAt(level, index)` (RFC 6962, 2.1). */
export async function rootThrough(
  id: number,
  leaf: Buffer,
  size: number,
  nodeAt: (level: number, index: number) => Promise<Buffer>,
): Promise<Buffer> {
  const complete = async (low: number, high: number): Promise<Buffer> => {
    const width = high - low;
    const split = splitOf(width);
    if (split * 2 === width || width === 1) return nodeAt(Math.log2(width), low / width);
    return nodeHash(await complete(low, low + split), await complete(low + split, high));
  };
  const through = async (low: number, high: number): Promise<Buffer> => {
    if (high - low === 1) return leaf;
    const middle = low + splitOf(high - low);
    return id < middle
      ? nodeHash(await through(low, middle), await complete(middle, high))
      : nodeHash(await complete(low, middle), await through(middle, high));
  };
  return through(0, size);
}

/** The largest power of two below `width`. */
function splitOf(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}

/** Hashes of the tree out of the database's tiles: 256 hashes of every eighth level. */
export function tileReader(treeSize: number, read: Read): (level: number, index: number) => Promise<Buffer> {
  const tiles = new Map<string, Promise<Buffer>>();
  const tileOf = (level: number, index: number): Promise<Buffer> => {
    const name = tilePath(level, index, Math.floor(treeSize / 256 ** level) - index * 256);
    const tile = tiles.get(name) ?? read(name);
    tiles.set(name, tile);
    return tile;
  };
  return async (level, index) => {
    const within = level % 8;
    const first = index * 2 ** within;
    const tile = await tileOf(Math.floor(level / 8), Math.floor(first / 256));
    return subtree(tile, first % 256, 2 ** within);
  };
}

/** The hash over `count` neighbours (a power of two) of a tile. */
function subtree(tile: Buffer, at: number, count: number): Buffer {
  if (count === 1) return tile.subarray(at * 32, (at + 1) * 32);
  return nodeHash(subtree(tile, at, count / 2), subtree(tile, at + count / 2, count / 2));
}

/** tile/8/0/x001/234, with `.p/W` when the tile has only W hashes yet. */
export function tilePath(level: number, index: number, width: number): string {
  let name = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    name = `x${String(rest % 1000).padStart(3, '0')}/${name}`;
  return `/tile/8/${level}/${name}${width < 256 ? `.p/${width}` : ''}`;
}
