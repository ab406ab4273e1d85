// Streams of a container as the Docker Engine API sends them: frames with an 8-byte header, or raw bytes with a terminal.
// Used by engine-client.ts. Must never hold more of a stream than one frame.
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { readBody } from './http-client.ts';

export interface OutputChunk {
  stream: 'stdout' | 'stderr';
  data: Buffer;
}

export interface AttachedStream {
  /** Write for stdin; `end()` is its end. Destroy to let go of the container (it goes on). */
  socket: Duplex;
  /** Output until the container ends or the connection breaks. */
  output(): AsyncGenerator<OutputChunk>;
}

/** No engine writes longer frames (Docker cuts at 16 KiB a line): a longer one is a broken stream. */
const maxFrameBytes = 16 * 1024 * 1024;

/** Splits Docker's frames (type, three zero bytes, big-endian length, payload); with a terminal everything is stdout. */
export async function* readFrames(
  stream: AsyncIterable<Uint8Array>,
  tty: boolean,
): AsyncGenerator<OutputChunk> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const part of stream) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    if (tty) {
      yield { stream: 'stdout', data: chunk };
      continue;
    }
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 8) {
      const size = rest.readUInt32BE(4);
      if (size > maxFrameBytes) throw new AppError('internal', 'the engine sent a frame that is too long');
      if (rest.length < 8 + size) break;
      yield { stream: rest[0] === 2 ? 'stderr' : 'stdout', data: rest.subarray(8, 8 + size) };
      rest = rest.subarray(8 + size);
    }
  }
}

/** Docker's attach: an upgrade of its own connection, which then carries stdin one way and the output the other. */
export async function attachContainer(
  socketPath: string,
  id: string,
  options: { stdin?: boolean; tty?: boolean },
): Promise<AttachedStream> {
  const stdin = options.stdin ? '1' : '0';
  const { promise, resolve, reject } = Promise.withResolvers<AttachedStream>();
  const outgoing = request({
    socketPath,
    method: 'POST',
    path: `/containers/${id}/attach?stream=1&stdin=${stdin}&stdout=1&stderr=1`,
    headers: { connection: 'Upgrade', upgrade: 'tcp', 'content-length': 0 },
    agent: false,
  });
  // The engine answers before any output: one that hangs here must not hang a build or a run for ever.
  const timer = setTimeout(() => outgoing.destroy(), 30_000);
  outgoing.on('upgrade', (_response, socket, head) => {
    clearTimeout(timer);
    if (head.length > 0) socket.unshift(head);
    socket.on('error', () => {}); // a broken connection is the end of the output, not a crash
    resolve({ socket, output: () => readFrames(endQuietly(socket), options.tty ?? false) });
  });
  outgoing.on('response', (response) => {
    clearTimeout(timer);
    const status = response.statusCode ?? 0;
    void readBody(response).then(
      (body) =>
        reject(
          new AppError(status === 404 ? 'not_found' : 'internal', `cannot attach to container "${id}"`, {
            detail: body.slice(0, 300),
          }),
        ),
      reject,
    );
  });
  outgoing.on('error', (cause) => {
    clearTimeout(timer);
    reject(new AppError('unavailable', 'the engine cannot be reached', { detail: cause.message, cause }));
  });
  outgoing.end();
  return promise;
}

async function* endQuietly(socket: Duplex): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of socket) yield chunk as Buffer;
  } catch {
    // The reader asks the engine how the container ended; a reset connection tells nothing more.
  }
}
