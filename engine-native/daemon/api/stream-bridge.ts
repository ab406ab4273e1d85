// Joins a client's upgraded connection with a stream of a shim, both ways, with back-pressure. Used by attach and exec.
import type { Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';

export const rawStream = 'application/vnd.docker.raw-stream';
export const multiplexedStream = 'application/vnd.docker.multiplexed-stream';

export function acceptUpgrade(socket: Socket, tty: boolean): void {
  const type = tty ? rawStream : multiplexedStream;
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
}

export interface BridgeOptions {
  /** Client bytes are the process's input. */
  stdin: boolean;
  /** The client's end of input is the process's. */
  passEnd: boolean;
  /** Between shim and client. */
  through?: Transform;
  /** Between client and shim. */
  input?: Transform;
  /** Awaited after the last output and before the client's connection ends. */
  beforeEnd?: () => Promise<unknown>;
}

/** Resolves when the output has ended and was handed to the client. */
export function bridge(client: Socket, shim: Socket, options: BridgeOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  shim.on('error', () => shim.destroy());
  client.on('close', () => shim.destroy());
  const input = options.input && options.stdin ? client.pipe(options.input) : client;
  if (options.stdin) input.pipe(shim, { end: false });
  else client.resume();
  // A client that only closed its sending side still wants the output.
  input.on('end', () => {
    if (options.stdin && options.passEnd) shim.end();
  });
  const output = options.through ? shim.pipe(options.through) : shim;
  output.pipe(client, { end: false });
  let isOver = false;
  const finish = () => {
    if (isOver) return;
    isOver = true;
    void Promise.resolve(options.beforeEnd?.()).finally(() => {
      client.end();
      shim.destroy();
      resolve();
    });
  };
  output.on('end', finish);
  shim.on('close', () => {
    if (!shim.readableEnded) finish(); // broken off: no `end` will come
  });
  return promise;
}

/** Takes the shim's last frame (type 3, the exit code) out of an exec's output. */
export class ExitFrameFilter extends Transform {
  readonly #onExit: (exitCode: number) => void;
  #header: Buffer = Buffer.alloc(0);
  /** Payload bytes of the current frame still to come. */
  #left = 0;
  #exitPayload: Buffer[] | undefined;

  constructor(onExit: (exitCode: number) => void) {
    super();
    this.#onExit = onExit;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (rest.length > 0) rest = this.#left > 0 ? this.#takePayload(rest) : this.#takeHeader(rest);
    done();
  }

  #takeHeader(chunk: Buffer): Buffer {
    const wanted = 8 - this.#header.length;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, wanted)]);
    if (this.#header.length === 8) {
      this.#left = this.#header.readUInt32BE(4);
      if (this.#header[0] === 3) this.#exitPayload = [];
      else this.push(this.#header);
      this.#header = Buffer.alloc(0);
    }
    return chunk.subarray(wanted);
  }

  #takePayload(chunk: Buffer): Buffer {
    const part = chunk.subarray(0, this.#left);
    this.#left -= part.length;
    if (this.#exitPayload) this.#exitPayload.push(part);
    else this.push(part);
    if (this.#left === 0 && this.#exitPayload) this.#reportExit(Buffer.concat(this.#exitPayload));
    return chunk.subarray(part.length);
  }

  #reportExit(payload: Buffer): void {
    this.#exitPayload = undefined;
    try {
      const { exitCode } = JSON.parse(payload.toString('utf8')) as { exitCode?: unknown };
      if (typeof exitCode === 'number') this.#onExit(exitCode);
    } catch {
      // execWait tells the code as well
    }
  }
}
