// Undoes gzip and zstd, known by their first bytes; anything else passes as it is. Used by everything that reads layers or archives.
// Imported lazily: an idle daemon needs no decompressor.
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';

const magicBytes = 4;
const chunkSize = 1 << 18; // Node's own 16 KiB cost a turn of the event loop each

export async function decompressed(body: Readable): Promise<Readable> {
  const head = await firstBytes(body);
  if (head.length === 0) throw new AppError('bad_request', 'the archive is empty');
  return throughDecompressor(body, head);
}

/** Looks at the start of a stream and leaves the stream as it was. */
async function firstBytes(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size < magicBytes) {
    await readableOrEnd(body);
    const chunk = body.read() as Buffer | null;
    if (chunk === null) break;
    chunks.push(chunk);
    size += chunk.length;
  }
  const head = Buffer.concat(chunks);
  if (head.length > 0) body.unshift(head);
  return head.subarray(0, magicBytes);
}

function readableOrEnd(body: Readable): Promise<void> {
  if (body.readableLength > 0 || body.readableEnded) return Promise.resolve();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cut = () => reject(new AppError('bad_request', 'the archive ended before it was complete'));
  const done = () => {
    body.off('readable', done).off('end', done).off('error', reject).off('close', cut);
    resolve();
  };
  body.once('readable', done).once('end', done).once('error', reject).once('close', cut);
  return promise;
}

function throughDecompressor(source: Readable, head: Buffer): Readable {
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  const isZstd = head.length >= magicBytes && head.readUInt32LE(0) === 0xfd2fb528;
  if (!isGzip && !isZstd) return source;
  // The error reaches the reader of the result, who is the one to report it.
  return pipeline(
    source,
    isGzip ? createGunzip({ chunkSize }) : createZstdDecompress({ chunkSize }),
    () => {},
  );
}
