// Frames of the inner protocol (PROTOCOL.md): a 4-byte big-endian length and that many bytes of JSON. Used by the helper and shim clients.
import { AppError } from '@berth/kit/errors.ts';

const maxFrameBytes = 1024 * 1024;

export type Message = Record<string, unknown>;

export function encodeFrame(message: Message): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > maxFrameBytes)
    throw new AppError('bad_request', `the request is ${body.length} bytes long, more than 1 MiB`, {
      hint: 'shorten the environment or the command',
    });
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, 4);
  return frame;
}

/** Cuts a byte stream into messages. `take` gives the next whole message; `rest` what lies behind the last one. */
export class FrameReader {
  #buffer: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
  }

  take(): Message | undefined {
    if (this.#buffer.length < 4) return undefined;
    const length = this.#buffer.readUInt32BE(0);
    if (length > maxFrameBytes) throw new AppError('internal', `a frame of ${length} bytes is too long`);
    if (this.#buffer.length < 4 + length) return undefined;
    const body = this.#buffer.subarray(4, 4 + length);
    this.#buffer = this.#buffer.subarray(4 + length);
    return JSON.parse(body.toString('utf8')) as Message;
  }

  rest(): Buffer {
    return this.#buffer;
  }
}
