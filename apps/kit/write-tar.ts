// Writes a tar stream (POSIX ustar, PAX where ustar cannot say it): the way of source, seeds and small files into the engine and to the platform.
// Must never read the disk itself; content comes from the caller.

export interface TarEntry {
  /** Relative, without a leading slash. */
  path: string;
  kind: 'file' | 'folder' | 'symlink';
  mode: number;
  /** Bytes of content; 0 for folders and links. */
  size: number;
  linkTarget?: string;
  content?: AsyncIterable<Uint8Array> | Uint8Array;
}

const blockBytes = 512;

/** Small pieces travel together: a write a header and a write a file would cost more than the bytes. */
const pieceBytes = 64 * 1024;

/** One header and content after the other, and the end marker. The caller's order is the order in the tar. */
export async function* writeTar(
  entries: AsyncIterable<TarEntry> | Iterable<TarEntry>,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of tarPieces(entries)) {
    pieces.push(piece);
    size += piece.length;
    if (size < pieceBytes) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    size = 0;
  }
  yield Buffer.concat(pieces);
}

async function* tarPieces(entries: AsyncIterable<TarEntry> | Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    yield tarHeader(entry);
    if (entry.kind !== 'file' || entry.size === 0) continue;
    let written = 0;
    if (entry.content instanceof Uint8Array) {
      written = entry.content.length;
      yield entry.content;
    } else if (entry.content)
      for await (const chunk of entry.content) {
        written += chunk.length;
        yield chunk;
      }
    if (written !== entry.size)
      throw new Error(`"${entry.path}" has ${written} bytes instead of ${entry.size}`);
    const padding = (blockBytes - (written % blockBytes)) % blockBytes;
    if (padding > 0) yield Buffer.alloc(padding);
  }
  yield Buffer.alloc(2 * blockBytes);
}

/** The header block, with a PAX record before it when the name or the link is too long for ustar. */
export function tarHeader(entry: TarEntry): Buffer {
  const path = entry.kind === 'folder' ? `${entry.path}/` : entry.path;
  const link = entry.linkTarget ?? '';
  const split = splitName(path);
  const pax: string[] = [];
  if (!split) pax.push(paxRecord('path', path));
  if (Buffer.byteLength(link) > 100) pax.push(paxRecord('linkpath', link));
  const type = { file: '0', folder: '5', symlink: '2' }[entry.kind];
  const size = entry.kind === 'file' ? entry.size : 0;
  // ustar holds 8 GiB; a longer file is beyond every limit of ours.
  const main = ustarBlock(split ?? { prefix: '', name: 'long-name' }, type, entry.mode, size, link);
  if (pax.length === 0) return main;
  const body = Buffer.from(pax.join(''));
  const head = ustarBlock({ prefix: '', name: 'PaxHeader' }, 'x', 0o644, body.length, '');
  const padding = Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes);
  return Buffer.concat([head, body, padding, main]);
}

function ustarBlock(
  name: { prefix: string; name: string },
  type: string,
  mode: number,
  size: number,
  link: string,
): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(name.name, 0, 100);
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(Buffer.from(link).subarray(0, 100).toString('latin1'), 157, 100, 'latin1');
  block.write('ustar\x0000', 257);
  block.write(name.prefix, 345, 155);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function splitName(path: string): { prefix: string; name: string } | undefined {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (name !== '' && Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100)
      return { prefix, name };
  }
  return undefined;
}

/** `<length> key=value\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  const size = Buffer.byteLength(body);
  let length = size + String(size).length;
  if (size + String(length).length !== length) length = size + String(length).length;
  return `${length}${body}`;
}

/** Files with the folders above them. */
export function* fileEntries(
  files: readonly { path: string; mode: number; content: Buffer }[],
): Generator<TarEntry> {
  const folders = new Set<string>();
  for (const { path, mode, content } of files) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (!folders.has(folder)) yield { path: folder, kind: 'folder', mode: 0o755, size: 0 };
      folders.add(folder);
    }
    yield { path, kind: 'file', mode, size: content.length, content };
  }
}
