// The frames of an attached run (apps/contract/run.ts): one byte type, four bytes big-endian length, payload. Codec only.
import { runFrameLimit } from '@berth/contract/run.ts';
import { AppError } from '@berth/kit/errors.ts';

export interface Frame {
  type: number;
  payload: Buffer;
}

const headerBytes = 5;

/** One or more frames: a payload over the limit is cut into several of the same type. */
export function encodeFrame(type: number, payload: Uint8Array | string): Buffer {
  const data = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const parts: Uint8Array[] = [];
  let start = 0;
  do {
    const piece = data.subarray(start, start + runFrameLimit);
    const header = Buffer.alloc(headerBytes);
    header[0] = type;
    header.writeUInt32BE(piece.length, 1);
    parts.push(header, piece);
    start += runFrameLimit;
  } while (start < data.length);
  return Buffer.concat(parts);
}

/** Collects bytes and gives whole frames; a frame over the limit is a broken or hostile peer (`too_large`). */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Frame[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (this.#rest.length >= headerBytes) {
      const size = this.#rest.readUInt32BE(1);
      if (size > runFrameLimit) throw new AppError('too_large', `a frame of ${size} bytes is too long`);
      if (this.#rest.length < headerBytes + size) break;
      frames.push({
        type: this.#rest[0] as number,
        payload: this.#rest.subarray(headerBytes, headerBytes + size),
      });
      this.#rest = this.#rest.subarray(headerBytes + size);
    }
    return frames;
  }
}
