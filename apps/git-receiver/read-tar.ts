// Reads a tar stream of strangers, entry by entry (ustar, PAX, GNU's long names). Used by receive-deploy.ts.
// Must never touch a disk, nor hold more of a file than the caller takes.
import { AppError } from '@berth/kit/errors.ts';

export interface TarEntry {
  /** As it is written there: nobody has checked it. */
  path: string;
  kind: 'file' | 'folder' | 'symlink' | 'hardlink';
  isExecutable: boolean;
  size: number;
  link: string;
}

const blockBytes = 512;
/** Names and links are at most 4096 bytes long on Linux; PAX puts times and owners beside them. */
const maxExtraBytes = 64 * 1024;
const kinds: Readonly<Record<string, TarEntry['kind']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'folder',
};
const refusedKinds: Readonly<Record<string, string>> = {
  '3': 'a device',
  '4': 'a device',
  '6': 'a named pipe',
  S: 'a sparse file',
};

export class TarReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the current entry that nobody has read, with its padding behind them. */
  #unread = 0;
  #padding = 0;
  #headers = 0;
  readonly #maxHeaders: number;

  constructor(source: AsyncIterable<Uint8Array>, maxHeaders: number) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#maxHeaders = maxHeaders;
  }

  /** The next entry, or undefined at the archive's end. Throws `invalid` for what is no tar and for what no tree can hold. */
  async next(): Promise<TarEntry | undefined> {
    let extra: Record<string, string> = {};
    for (;;) {
      for await (const _ of this.content());
      await this.#take(this.#padding);
      this.#padding = 0;
      const block = await this.#header();
      if (!block) return undefined;
      const type = block.toString('latin1', 156, 157);
      const size = readNumber(block, 124, 12);
      if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
        const text = await this.#extra(size);
        if (type === 'x') extra = { ...extra, ...readPax(text) };
        else if (type !== 'g') extra[type === 'L' ? 'path' : 'linkpath'] = text.replace(/\0+$/, '');
        continue;
      }
      return this.#entry(block, type, extra['size'] === undefined ? size : Number(extra['size']), extra);
    }
  }

  /** The content of the entry that next() gave; what is left of it is passed over. */
  async *content(): AsyncGenerator<Buffer> {
    while (this.#unread > 0) {
      if (this.#rest.length === 0) await this.#more();
      const piece = this.#rest.subarray(0, this.#unread);
      this.#rest = this.#rest.subarray(piece.length);
      this.#unread -= piece.length;
      yield piece;
    }
  }

  #entry(block: Buffer, type: string, size: number, extra: Record<string, string>): TarEntry {
    const path = extra['path'] ?? headerPath(block);
    const kind = kinds[type];
    if (kind === undefined || extra['GNU.sparse.major'] !== undefined)
      throw new AppError('invalid', `"${shown(path)}" is ${refusedKinds[type] ?? 'of an unknown kind'}`, {
        hint: 'only files, folders and links can be deployed',
      });
    if (!Number.isSafeInteger(size) || size < 0) throw damaged();
    this.#unread = kind === 'file' ? size : 0;
    this.#padding = kind === 'file' ? padding(size) : 0;
    return {
      path,
      // tars of before POSIX mark a folder by its name alone
      kind: kind === 'file' && path.endsWith('/') ? 'folder' : kind,
      isExecutable: (readNumber(block, 100, 8) & 0o100) !== 0,
      size: this.#unread,
      link: extra['linkpath'] ?? readText(block, 157, 100),
    };
  }

  /** Undefined at the end marker, and where the stream ends between two entries. */
  async #header(): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) return undefined;
      this.#rest = asBuffer(next.value);
    }
    const block = await this.#take(blockBytes, damaged);
    if (block.every((byte) => byte === 0)) return undefined;
    let sum = 8 * 32;
    for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte;
    if (readNumber(block, 148, 8) !== sum) throw damaged();
    this.#headers += 1;
    if (this.#headers > this.#maxHeaders)
      throw new AppError('too_large', `the archive has more than ${this.#maxHeaders} entries`);
    return block;
  }

  async #extra(size: number): Promise<string> {
    if (size > maxExtraBytes) throw damaged();
    const text = decode(await this.#take(size));
    await this.#take(padding(size));
    return text;
  }

  async #take(size: number, early = endsEarly): Promise<Buffer> {
    while (this.#rest.length < size) await this.#more(early);
    const taken = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return taken;
  }

  async #more(early = endsEarly): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) throw early();
    const chunk = asBuffer(next.value);
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

function endsEarly(): AppError {
  return new AppError('invalid', 'the archive ends in the middle of a file');
}

function damaged(): AppError {
  return new AppError('invalid', 'the archive is damaged, or no tar', {
    hint: 'send a tar, plain or packed with gzip or zstd',
  });
}

/** git takes any bytes as a name; what is no UTF-8 would be another name at each step of a build. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new AppError('invalid', 'the archive has a name that is no UTF-8', { hint: 'rename the file' });
  }
}

function readText(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return decode(end === -1 ? field : field.subarray(0, end));
}

function headerPath(block: Buffer): string {
  const name = readText(block, 0, 100);
  // GNU's own format has other things where ustar keeps the prefix
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? readText(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Octal digits, or GNU's base 256 when the first bit is set. */
function readNumber(block: Buffer, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) {
    let value = (block[at] ?? 0) & 0x7f;
    for (let index = at + 1; index < at + length; index++) value = value * 256 + (block[index] ?? 0);
    return value;
  }
  const text = block
    .toString('latin1', at, at + length)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw damaged();
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** `<length> key=value\n`, repeated; the length is in bytes and counts itself. */
function readPax(text: string): Record<string, string> {
  const bytes = Buffer.from(text);
  const values = Object.create(null) as Record<string, string>;
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString('latin1', at, space));
    const equals = bytes.indexOf(61, space);
    if (
      space === -1 ||
      equals === -1 ||
      !Number.isInteger(length) ||
      at + length > bytes.length ||
      length < 5
    )
      throw damaged();
    values[bytes.toString('utf8', space + 1, equals)] = bytes.toString('utf8', equals + 1, at + length - 1);
    at += length;
  }
  return values;
}

/** A stranger's name in a message: one line, of a length one can read. */
export function shown(path: string): string {
  return path.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?').slice(0, 200);
}
