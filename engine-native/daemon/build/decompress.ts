// A stream without its gzip or zstd, known by its first bytes. Called for contexts and archives of ADD.
import { once } from 'node:events';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

export function compressionOf(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return 'bzip2';
  return head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])) ? 'xz' : 'none';
}

/** The stream behind its compression. `unsupported` for bzip2 and xz. */
export async function decompressed(body: Readable, what: string): Promise<Readable> {
  const head = await peek(body);
  if (head === undefined) throw new AppError('bad_request', `${what} is empty`);
  return throughDecompressor(body, compressionOf(head), what);
}

export function throughDecompressor(source: Readable, compression: Compression, what: string): Readable {
  if (compression === 'none') return source;
  if (compression === 'bzip2' || compression === 'xz')
    throw new AppError(
      'unsupported',
      `${what} is compressed with ${compression}, which this engine cannot read`,
      {
        hint: 'use gzip, zstd or no compression',
      },
    );
  // The error reaches the reader of the result, who is the one to report it.
  return pipeline(source, compression === 'gzip' ? createGunzip() : createZstdDecompress(), () => {});
}

/** The first bytes, left in the stream; undefined when it ends without any. */
async function peek(body: Readable): Promise<Buffer | undefined> {
  for (;;) {
    const head = body.read() as Buffer | null;
    if (head !== null) {
      body.unshift(head);
      return head;
    }
    if (body.readableEnded || body.destroyed) return undefined;
    await Promise.race([once(body, 'readable'), once(body, 'end')]);
  }
}
