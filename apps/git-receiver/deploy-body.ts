// The body of a deploy on its way to the tar reader: counted for silence, unpacked when it is packed. Used by receive-deploy.ts.
// Must never close the connection by itself: what is wrong with the archive is still to be answered.
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AppError } from '@berth/kit/errors.ts';

/** A client that sends nothing for this long holds a deploy for nothing. */
const idleLimitMs = 120_000;

/** The tar in a body, whatever it was packed with. Call `close` when enough has been read. */
export async function openTar(
  request: IncomingMessage,
): Promise<{ tar: AsyncIterable<Uint8Array>; close: () => void }> {
  const pieces = watched(request);
  const first = await firstBytes(pieces);
  const unpack = packedWith(first);
  const whole = rejoin(first, pieces);
  if (!unpack) return { tar: whole, close: () => {} };
  const into = unpack();
  pipeline(whole, into).catch(() => {}); // whoever reads `into` gets the error
  return { tar: readable(into), close: () => into.destroy() };
}

/** What it is, is told by how it begins: names and headers are often wrong. */
function packedWith(first: Buffer) {
  const magic = first.toString('hex', 0, 6);
  if (magic.startsWith('1f8b')) return () => createGunzip();
  if (magic.startsWith('28b52ffd')) return () => createZstdDecompress();
  const unknown = [
    ['504b0304', 'zip'],
    ['425a68', 'bzip2'],
    ['fd377a585a00', 'xz'],
  ].find(([begin = '']) => magic.startsWith(begin));
  if (unknown)
    throw new AppError('invalid', `archives packed with ${unknown[1]} are not taken`, {
      hint: 'send a tar, plain or packed with gzip or zstd',
    });
  return undefined;
}

async function* watched(request: IncomingMessage): AsyncGenerator<Buffer> {
  let idle: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(idle);
    idle = setTimeout(
      () => request.destroy(new AppError('timeout', 'the archive stopped coming')),
      idleLimitMs,
    );
  };
  watch();
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      watch();
      yield chunk as Buffer;
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('unavailable', 'the archive ended early', { cause });
  } finally {
    clearTimeout(idle);
  }
}

async function firstBytes(pieces: AsyncGenerator<Buffer>): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < 6) {
    const next = await pieces.next();
    if (next.done) break;
    first = Buffer.concat([first, next.value]);
  }
  return first;
}

async function* rejoin(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  yield* rest;
}

async function* readable(source: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of source) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('invalid', 'the packed archive is damaged', { cause });
  }
}
