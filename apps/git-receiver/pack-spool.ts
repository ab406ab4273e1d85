// Git objects on their way into a pack: hashed, packed and kept in one file until all of them are known. Used by receive-deploy.ts.
// What git then makes of the pack is checked by git itself, as with every push.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, createDeflate, deflate, deflateSync } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';

const types = { commit: 1, tree: 2, blob: 3 } as const;
/** Written here once and read once on the same machine: git packs again what stays. */
const level = constants.Z_BEST_SPEED;
/** Below it, handing the work to another thread takes longer than the work. */
const syncBytes = 32 * 1024;
/** Larger contents pass through in pieces. */
const maxHeldBytes = 1024 * 1024;
/** Small objects are written together. */
const writeBytes = 256 * 1024;

const deflateAside = promisify<Buffer, { level: number }, Buffer>(deflate);

export class PackSpool {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #maxBytes: number;
  readonly #oids = new Set<string>();
  #held: Buffer[] = [];
  #heldBytes = 0;
  #written = 0;

  private constructor(path: string, file: FileHandle, maxBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  static async open(path: string, maxBytes: number): Promise<PackSpool> {
    return new PackSpool(path, await open(path, 'wx+', 0o600), maxBytes);
  }

  /** Adds an object and gives its id; one that is there already costs nothing. */
  async add(type: keyof typeof types, content: Buffer): Promise<string> {
    const oid = objectHash(type, content.length).update(content).digest('hex');
    if (this.#oids.has(oid)) return oid;
    const packed =
      content.length < syncBytes ? deflateSync(content, { level }) : await deflateAside(content, { level });
    this.#oids.add(oid);
    await this.#write(entryHead(type, content.length));
    await this.#write(packed);
    return oid;
  }

  /** A blob whose content comes in pieces; `size` bytes in all, or `invalid`. */
  async addBlob(size: number, content: AsyncIterable<Buffer>): Promise<string> {
    if (size <= maxHeldBytes) {
      const pieces: Buffer[] = [];
      for await (const piece of content) pieces.push(piece);
      return this.add('blob', Buffer.concat(pieces));
    }
    await this.#flush();
    const start = this.#written;
    const hash = objectHash('blob', size);
    const packer = createDeflate({ level });
    const feeding = feed(content, packer, (piece) => hash.update(piece));
    feeding.catch((error: Error) => packer.destroy(error));
    await this.#write(entryHead('blob', size));
    for await (const piece of packer) await this.#write(piece as Buffer);
    await feeding;
    const oid = hash.digest('hex');
    if (this.#oids.has(oid)) {
      await this.#flush();
      await this.#file.truncate(start);
      this.#written = start;
    }
    this.#oids.add(oid);
    return oid;
  }

  /** The whole pack, as git reads it. */
  async *read(): AsyncGenerator<Buffer> {
    await this.#flush();
    const head = Buffer.alloc(12);
    head.write('PACK');
    head.writeUInt32BE(2, 4);
    head.writeUInt32BE(this.#oids.size, 8);
    const sum = createHash('sha1').update(head);
    yield head;
    for (let at = 0; at < this.#written; ) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(writeBytes), 0, writeBytes, at);
      if (bytesRead === 0) throw new AppError('internal', 'the spooled pack is shorter than it was written');
      const piece = buffer.subarray(0, bytesRead);
      sum.update(piece);
      yield piece;
      at += bytesRead;
    }
    yield sum.digest();
  }

  async remove(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }

  async #write(piece: Buffer): Promise<void> {
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    if (this.#written + this.#heldBytes > this.#maxBytes)
      throw new AppError('too_large', `packed, the files are larger than ${this.#maxBytes} bytes`, {
        hint: 'leave build results and downloads out (.gitignore, .berthignore)',
      });
    if (this.#heldBytes >= writeBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#written);
      at += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}

function objectHash(type: string, size: number) {
  return createHash('sha1').update(`${type} ${size}\0`);
}

/** Type and size, seven bits a byte after the first four (gitformat-pack). */
function entryHead(type: keyof typeof types, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (types[type] << 4) | (size & 15);
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80);
    byte = rest & 0x7f;
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

async function feed(
  content: AsyncIterable<Buffer>,
  into: ReturnType<typeof createDeflate>,
  see: (piece: Buffer) => void,
): Promise<void> {
  for await (const piece of content) {
    see(piece);
    if (into.write(piece)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    into.once('drain', resolve).once('close', resolve);
    await promise;
    if (into.destroyed) return;
  }
  into.end();
}
