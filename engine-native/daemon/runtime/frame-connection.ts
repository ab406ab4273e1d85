// One connection that speaks frames: many requests in flight, replies in any order. Used for the helper and for each shim.
// Must never leave a caller waiting: a closed connection fails every request that is in flight.
import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { encodeFrame, FrameReader, type Message } from './frames.ts';
import { failureOf } from './runtime-failure.ts';

interface Pending {
  resolve: (reply: Message) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

const maxSocketPathBytes = 100; // sun_path holds 107

/** Opens a unix socket; `unavailable` when nobody listens or the limit passes (a stopped peer accepts nothing). */
export function connectUnix(path: string, limitMs: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const isLong = Buffer.byteLength(path) > maxSocketPathBytes;
  const folder = isLong ? openFolder(dirname(path)) : undefined;
  const reachable = folder === undefined ? path : `/proc/self/fd/${folder}/${basename(path)}`;
  const socket = connect({ path: reachable, allowHalfOpen: true });
  if (folder !== undefined) closeSync(folder); // connect(2) has been called by now
  const fail = (reason: string, cause?: unknown) => {
    socket.destroy();
    reject(new AppError('unavailable', `cannot reach "${path}": ${reason}`, { cause }));
  };
  const timer = setTimeout(() => fail(`no answer in ${limitMs} ms`), limitMs);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.removeAllListeners('error');
    resolve(socket);
  });
  socket.once('error', (cause) => {
    clearTimeout(timer);
    fail(systemCode(cause) ?? cause.message, cause);
  });
  return promise;
}

/** undefined when it is not there: the connect then fails by itself. */
function openFolder(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

export class FrameConnection {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, Pending>();
  readonly #peer: string;
  #nextId = 1;
  #closed = false;
  readonly closed: Promise<void>;

  constructor(socket: Socket, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      for (const { reject, timer } of this.#pending.values()) {
        clearTimeout(timer);
        reject(new AppError('unavailable', `${this.#peer} went away`, { hint: 'try again in a second' }));
      }
      this.#pending.clear();
      resolve();
    });
  }

  static async open(path: string, peer: string, limitMs: number): Promise<FrameConnection> {
    return new FrameConnection(await connectUnix(path, limitMs), peer);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Sends a request; `limitMs` 0 waits for as long as the connection lives (only for `wait`). */
  request(op: string, fields: Message, limitMs: number): Promise<Message> {
    if (this.#closed) return Promise.reject(new AppError('unavailable', `${this.#peer} is not running`));
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const frame = encodeFrame({ id, op, ...fields });
    const timer =
      limitMs > 0
        ? setTimeout(() => {
            this.#pending.delete(id);
            reject(new AppError('timeout', `${this.#peer} did not answer "${op}" in ${limitMs} ms`));
          }, limitMs)
        : undefined;
    this.#pending.set(id, { resolve, reject, timer });
    this.#socket.write(frame);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
      for (let message = this.#reader.take(); message; message = this.#reader.take()) this.#settle(message);
    } catch {
      this.#socket.destroy(); // a peer that does not speak frames is no peer
    }
  }

  #settle(message: Message): void {
    const id = message['id'];
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (pending === undefined || typeof id !== 'number') return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    const failure = failureOf(message);
    if (failure) pending.reject(failure);
    else pending.resolve(message);
  }
}
