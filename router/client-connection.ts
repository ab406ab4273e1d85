// A visitor's connection: reads request heads, one exchange at a time, the next request only after the last response (pipelining).
// Made by the listener for each socket. Must never read on without a bound, nor start a request that did not parse.
import type { Socket } from 'node:net';
import type { AcceptedSocket } from './accept-sockets.ts';
import { beginExchange, type Peer } from './begin-exchange.ts';
import { abandonExchange, completeTunnel, failExchange } from './end-exchange.ts';
import { errorResponse } from './error-pages.ts';
import { type ClientSide, type Exchange, Stage } from './exchange.ts';
import { Frame, frameRequest } from './frame-message.ts';
import type { OutcomeCode } from './outcomes.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { keptBytes } from './read-buffer.ts';
import { Head, incomplete, readRequestHead, refused } from './read-head.ts';
import { clientDrained } from './relay-response.ts';
import { dispatchExchange, sendBody } from './send-request.ts';
import { tunnelEnded, tunnelReceived } from './tunnel.ts';

// Filled again for each request; never used across two reads.
const head = new Head();
const frame = new Frame();
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export class ClientConnection implements ClientSide {
  readonly address: string;
  exchange: Exchange | undefined;
  /** A byte came or went since the last sweep; the sweep takes note of the time, which costs less than asking for it at every byte. */
  wasActive = false;
  activeAt: number;
  /** When the head that is still incomplete began; 0: none. */
  headSince = 0;
  /** When the connection, already ended by the router, is closed for good; 0: not ended. */
  lingerUntil = 0;
  isPaused = false;
  requests = 0;
  readonly #socket: Socket;
  readonly #parts: ProxyParts;
  readonly #peer: Peer;
  readonly #isStopping: () => boolean;
  /** Bytes not yet understood or not yet wanted: a partial head, an early body, the next request. */
  #ahead: Buffer | undefined;
  #isReading = false;

  constructor(
    accepted: AcceptedSocket,
    parts: ProxyParts,
    peer: Peer,
    isStopping: () => boolean,
    gone: () => void,
  ) {
    const { socket } = accepted;
    this.#socket = socket;
    this.#parts = parts;
    this.#peer = peer;
    this.#isStopping = isStopping;
    this.address = peer.address;
    this.activeAt = performance.now();
    accepted.read = (bytes) => {
      try {
        this.#received(bytes);
      } catch (error) {
        this.fault(error);
      }
    };
    socket.on('end', () => this.#clientEnded());
    socket.on('drain', () => {
      if (this.exchange) clientDrained(this.exchange);
    });
    socket.on('error', () => this.#clientGone()); // a reset by the client; 'close' follows
    socket.on('close', () => {
      this.#clientGone();
      gone();
    });
  }

  get isLast(): boolean {
    return this.#isStopping();
  }

  get unwrittenBytes(): number {
    return this.#socket.writableLength;
  }

  writeText(latin1: string, flushed?: () => void): boolean {
    this.wasActive = true;
    return this.#socket.write(latin1, 'latin1', flushed) || this.#socket.writableLength === 0;
  }

  writeBytes(bytes: Buffer, flushed?: () => void): boolean {
    this.wasActive = true;
    return this.#socket.write(bytes, flushed) || this.#socket.writableLength === 0;
  }

  pause(): void {
    this.isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#socket.resume();
  }

  /** Hands early bytes to the exchange; called when the instance is ready for them. */
  feed(): void {
    const bytes = this.#ahead;
    if (!bytes) return;
    this.#ahead = undefined;
    this.resume();
    this.#deliver(bytes);
  }

  exchangeEnded(keeps: boolean): void {
    this.exchange = undefined;
    this.wasActive = true;
    if (!keeps || this.#isStopping()) {
      this.endWith('');
      return;
    }
    this.resume();
    if (this.#ahead && !this.#isReading) this.#readRequests(this.#ahead);
  }

  endWith(latin1: string): void {
    this.exchange = undefined;
    this.#ahead = undefined;
    if (this.lingerUntil > 0) return;
    this.lingerUntil = performance.now() + this.#parts.limits.lingerMs;
    this.#socket.end(latin1, 'latin1');
    // Unread bytes would turn the close into a reset, which can overtake the answer.
    this.resume();
  }

  reset(): void {
    this.exchange = undefined;
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** A fault of the router's own: this visitor gets H99, everybody else is served on. */
  fault(error: unknown): void {
    this.#parts.report(error);
    const { exchange } = this;
    if (exchange && exchange.stage !== Stage.tunnel) failExchange(exchange, this.#parts, 'H99');
    else this.destroy();
  }

  /** Ends a WebSocket or an idle connection, because the router stops; requests in progress go on. */
  stop(): void {
    if (this.exchange?.stage === Stage.tunnel) completeTunnel(this.exchange, this.#parts, '');
    else if (this.exchange || this.requests === 0) return;
    this.endWith('');
  }

  #received(bytes: Buffer): void {
    this.wasActive = true;
    if (this.lingerUntil > 0) return;
    if (this.exchange) {
      this.#deliver(bytes);
      return;
    }
    const before = this.#ahead;
    if (!before) {
      this.#readRequests(bytes);
      return;
    }
    this.#ahead = Buffer.concat([before, bytes]);
    // A head that drips in is looked at again only when a line ends, or the drip would cost more than it brings.
    const isDrip = bytes.indexOf(lineFeed) === -1 && bytes.indexOf(carriageReturn) === -1;
    if (!isDrip || this.#ahead.length > this.#parts.limits.requestHeadBytes) this.#readRequests(this.#ahead);
  }

  #deliver(bytes: Buffer): void {
    const { exchange } = this;
    if (!exchange) return;
    if (exchange.stage === Stage.tunnel) {
      tunnelReceived(exchange, bytes);
      return;
    }
    const used = this.#ahead || exchange.isRequestDone ? 0 : sendBody(exchange, this.#parts, bytes);
    if (used >= bytes.length || this.lingerUntil > 0) return;
    const rest = used === 0 ? bytes : bytes.subarray(used);
    this.#ahead = this.#ahead ? Buffer.concat([this.#ahead, rest]) : keptBytes(rest);
    if (this.#ahead.length >= this.#parts.limits.readAheadBytes) this.pause();
  }

  /** Starts requests from the bytes at hand until one is in progress or more bytes are needed; keeps what is left. */
  #readRequests(first: Buffer): void {
    this.#isReading = true;
    let bytes: Buffer | undefined = first;
    while (bytes && !this.exchange && this.lingerUntil === 0) {
      const end = readRequestHead(bytes, 0, bytes.length, this.#headLimits(), head);
      if (end === incomplete) {
        if (this.headSince === 0) this.headSince = performance.now();
        this.#ahead = keptBytes(bytes);
        break;
      }
      this.headSince = 0;
      if (end === refused) this.refuse(head.problemStatus, head.problem);
      else if (!frameRequest(head, frame)) this.refuse(frame.problemStatus, frame.problem);
      else this.#begin(bytes, end);
      bytes = this.#ahead;
    }
    this.#isReading = false;
  }

  #headLimits(): { headBytes: number; lineBytes: number; headerCount: number } {
    const { requestHeadBytes, requestLineBytes, headerCount } = this.#parts.limits;
    return { headBytes: requestHeadBytes, lineBytes: requestLineBytes, headerCount };
  }

  #begin(bytes: Buffer, end: number): void {
    this.#ahead = end < bytes.length ? keptBytes(bytes.subarray(end)) : undefined;
    this.requests++;
    this.exchange = beginExchange(this, this.#peer, head, frame);
    dispatchExchange(this.exchange, this.#parts);
  }

  /** Answers what did not parse, or came too slowly, and closes: nothing after it can be trusted. */
  refuse(status: number, detail: string): void {
    const code: OutcomeCode =
      status === 408 ? 'too-slow' : status === 431 || status === 414 ? 'too-large' : 'bad-request';
    const { address } = this;
    this.#parts.log.add(undefined, {
      code,
      method: '-',
      path: '-',
      host: '-',
      requestId: '-',
      address,
      instance: '',
      connectMs: 0,
      serviceMs: 0,
      status,
      bytes: 0,
      isWebSocket: false,
    });
    this.endWith(
      errorResponse({ code, status, detail, requestId: '', wantsJson: false, isHead: false, closes: true }),
    );
  }

  #clientEnded(): void {
    const { exchange } = this;
    if (exchange?.stage === Stage.tunnel) {
      tunnelEnded(exchange);
      return;
    }
    if (exchange) {
      // Like a closed tab: whoever cannot send any more does not wait for the answer either.
      this.#clientGone();
      this.destroy();
    } else if (!this.#socket.writableEnded) this.#socket.end();
  }

  #clientGone(): void {
    const { exchange } = this;
    this.exchange = undefined;
    this.#ahead = undefined;
    if (!exchange) return;
    if (exchange.stage === Stage.tunnel) completeTunnel(exchange, this.#parts, '');
    else abandonExchange(exchange, this.#parts);
  }
}
