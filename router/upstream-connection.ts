// One connection to an instance. Reads land in one buffer shared by all connections, because a read is used up before the next one starts;
// only a connection in the middle of a large body has a buffer of its own, so that its bytes reach the client without a copy.
// Must never let a byte of the shared buffer be kept by its user.
import { connect, type Socket } from 'node:net';
import { readBuffer, readBytes } from './read-buffer.ts';
import type { Target } from './table.ts';

/** From this size on a read is worth its own buffer. */
export const bulkBytes = 16 * 1024;
const spareBuffers: Buffer[] = [];
const mostSpareBuffers = 64;

/** Who uses the connection now. */
export interface UpstreamUser {
  connected(): void;
  /** bytes[0, size) came and are valid only during the call, unless `isBulk`; false: stop reading until resume(). */
  received(bytes: Buffer, size: number): boolean;
  /** The instance closed its side or the connection broke; called once, after it no other call follows. */
  closed(error: Error | undefined): void;
  /** Room to write again. */
  drained(): void;
}

export class UpstreamConnection {
  readonly target: Target;
  readonly socket: Socket;
  /** Carried a request before: the instance may have closed it unseen. */
  isReused = false;
  isConnected = false;
  isClosed = false;
  /** Set by the pool: when it was given back and until when it may be used. */
  idleSince = 0;
  idleUntil = 0;
  #user: UpstreamUser | undefined;
  #bulk: Buffer | undefined;

  constructor(target: Target, user: UpstreamUser | undefined) {
    this.target = target;
    this.#user = user;
    this.socket = connect({
      host: target.address,
      port: target.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.#bulk ?? readBuffer,
        callback: (size, bytes) => this.#received(bytes as Buffer, size),
      },
    });
    this.socket.on('connect', () => {
      this.isConnected = true;
      this.#user?.connected();
    });
    this.socket.on('drain', () => this.#user?.drained());
    this.socket.on('end', () => this.#ended(undefined));
    this.socket.on('error', (error) => this.#ended(error));
    this.socket.on('close', () => this.#ended(undefined));
  }

  use(user: UpstreamUser | undefined): void {
    this.#user = user;
  }

  get isBulk(): boolean {
    return this.#bulk !== undefined;
  }

  /** The next reads land in a buffer of this connection's own, until endBulk(). */
  startBulk(): void {
    this.#bulk ??= spareBuffers.pop() ?? Buffer.allocUnsafeSlow(readBytes);
  }

  /** Back to the shared buffer. `isFree`: nobody still writes from the own one. */
  endBulk(isFree: boolean): void {
    if (this.#bulk && isFree && spareBuffers.length < mostSpareBuffers) spareBuffers.push(this.#bulk);
    this.#bulk = undefined;
  }

  /** Ends the connection without a word to its user. */
  destroy(): void {
    this.isClosed = true;
    this.#user = undefined;
    this.#bulk = undefined;
    this.socket.destroy();
  }

  #received(bytes: Buffer, size: number): boolean {
    if (this.#user) return this.#user.received(bytes, size);
    // Bytes that nobody asked for: the next request must not take them for its answer.
    this.destroy();
    return false;
  }

  #ended(error: Error | undefined): void {
    if (this.isClosed) return;
    const user = this.#user;
    this.destroy();
    user?.closed(error);
  }
}
