// Passes a tar on and says at its end whether it was whole. The helper shows a failure in the middle only by what is missing: the two zero blocks.
import { Transform, type TransformCallback } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';

const endBytes = 1024;

export function wholeTar(): Transform {
  let tail: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      tail = chunk.length >= endBytes ? chunk : Buffer.concat([tail, chunk]).subarray(-endBytes);
      done(null, chunk);
    },
    flush(done: TransformCallback) {
      const end = tail.subarray(-endBytes);
      const isWhole = end.length === endBytes && end.every((byte) => byte === 0);
      done(isWhole ? null : new AppError('internal', 'the archive could not be read to its end'));
    },
  });
}
