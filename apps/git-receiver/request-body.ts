// The body of a POST on its way into git: unpacked when gzipped, counted, cut off when it is too much or too slow.
// Called by the rpc handlers. Must never hold more of a body in memory than a few buffers.
import type { Readable, Writable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { AppError, asAppError, systemCode } from '@berth/kit/errors.ts';

export interface BodyLimits {
  gzip: boolean;
  /** Most bytes after unpacking. */
  maxBytes: number;
}

/** What git sends shrinks 2 to 10 times; a body that shrinks more than this is a bomb. */
const maxRatio = 100;
/** Below this size the ratio says nothing. */
const ratioFloorBytes = 1024 * 1024;
/** A client that sends nothing for this long holds a git process for nothing. */
const idleLimitMs = 120_000;

/** Feeds the body into git. Throws `bad_request` for a broken body, `too_large`, `timeout`, or `unavailable` when the client left. */
export async function feedBody(source: Readable, into: Writable, limits: BodyLimits): Promise<void> {
  let received = 0;
  let idle: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(idle);
    idle = setTimeout(
      () => source.destroy(new AppError('timeout', 'the request body stopped coming')),
      idleLimitMs,
    );
  };
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      watch();
      done(null, chunk);
    },
  });
  watch();
  try {
    if (limits.gzip)
      await pipeline(
        source,
        counted,
        createGunzip(),
        boundedBy(limits.maxBytes, () => received),
        into,
      );
    else await pipeline(source, counted, boundedBy(limits.maxBytes), into);
  } catch (error) {
    throw bodyError(error);
  } finally {
    clearTimeout(idle);
  }
}

function boundedBy(maxBytes: number, received?: () => number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > maxBytes)
        return done(new AppError('too_large', `the push is larger than ${maxBytes} bytes`));
      if (received && size > ratioFloorBytes && size > received() * maxRatio)
        return done(new AppError('too_large', 'the gzipped body unpacks to far more than git would send'));
      done(null, chunk);
    },
  });
}

function bodyError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = systemCode(error) ?? '';
  if (code.startsWith('Z_'))
    return new AppError('bad_request', 'the gzipped body is damaged', { cause: error });
  // git stopped reading (it says why itself), or the client left: neither is a fault of ours
  if (
    code === 'EPIPE' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ECONNRESET' ||
    code === 'ERR_STREAM_DESTROYED'
  )
    return new AppError('unavailable', 'the request body ended early', { cause: error });
  return asAppError(error);
}
