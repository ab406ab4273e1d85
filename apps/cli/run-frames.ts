// The frames of an attached run (contract/run.ts): one byte type, four bytes big-endian length, payload. Pure; used by attach-run.
import { AppError } from '@berth/kit/errors.ts';

export const toServer = { stdin: 0, stdinEnd: 1, resize: 2, signal: 3 } as const;
export const fromServer = { stdout: 0, stderr: 1, status: 2, exit: 3 } as const;
/** Longer frames are a broken peer. */
const frameLimit = 1024 * 1024;

export function frame(type: number, payload: Uint8Array | string = ''): Buffer {
  const content = Buffer.from(payload as Uint8Array);
  const head = Buffer.alloc(5);
  head.writeUInt8(type, 0);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

export interface Frame {
  type: number;
  payload: Buffer;
}

/** Gives each whole frame of what has come so far; keeps the rest. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  *read(chunk: Buffer): Generator<Frame> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 5) {
      const length = this.#rest.readUInt32BE(1);
      if (length > frameLimit) throw new AppError('unavailable', 'the server sent a frame that is too long');
      if (this.#rest.length < 5 + length) return;
      const type = this.#rest.readUInt8(0);
      const payload = this.#rest.subarray(5, 5 + length);
      this.#rest = this.#rest.subarray(5 + length);
      yield { type, payload };
    }
  }
}
