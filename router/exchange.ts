// One request and its response: the facts that its steps share (choose, send, relay, tunnel, log). Made by the client connection.
// A record with counters, no behaviour: the steps live in the files beside it.
import type { BodyScanner } from './body-scanner.ts';
import type { HostEntry, Target } from './table.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** Where the exchange is. Each step sets the next one; `ended` is final and set once, by end-exchange. */
export const Stage = {
  /** No instance yet: held for a starting app or a new table. */
  waiting: 0,
  connecting: 1,
  /** The head went to the instance; the body may still be on its way. */
  sent: 2,
  /** The response head went to the client. */
  responding: 3,
  tunnel: 4,
  ended: 5,
} as const;

/** What the steps need of the client's connection. */
export interface ClientSide {
  readonly address: string;
  /** True when the client or the router is about to close: no other request follows. */
  readonly isLast: boolean;
  writeText(latin1: string, flushed?: () => void): boolean;
  writeBytes(bytes: Buffer, flushed?: () => void): boolean;
  readonly unwrittenBytes: number;
  /** Gives the body bytes that came already to the exchange. */
  feed(): void;
  pause(): void;
  resume(): void;
  /** The exchange is over. `keeps`: the connection may carry another request. */
  exchangeEnded(keeps: boolean): void;
  /** Writes a last answer, reads on for a moment so that the client sees it, then closes. */
  endWith(latin1: string): void;
  fault(error: unknown): void;
  /** Closes so that a broken off answer cannot be taken for a whole one. */
  reset(): void;
}

export interface Exchange {
  readonly client: ClientSide;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly requestId: string;
  /** The head as it goes to the instance. */
  readonly headText: string;
  readonly minorVersion: number;
  /** The client asked to keep its connection. */
  readonly keepAlive: boolean;
  /** The Sec-WebSocket-Key of a handshake, else ''. */
  readonly webSocketKey: string;
  readonly startedAt: number;
  readonly requestBody: BodyScanner | undefined;
  /** The request's last byte went to the instance (or there is no body). */
  isRequestDone: boolean;
  requestDoneAt: number;
  /** Body bytes taken from the client, and for how long the router waited for more. */
  bodyBytes: number;
  bodyWaitMs: number;
  stage: number;
  entry: HostEntry | undefined;
  target: Target | undefined;
  upstream: UpstreamConnection | undefined;
  /** Targets that refused this request. */
  readonly tried: Target[];
  lastConnectFailure: 'H19' | 'H21';
  /** It stands in the hold queue. */
  isHeld: boolean;
  /** When the present wait (held or connecting) ends. */
  waitUntil: number;
  connectMs: number;
  partialHead: Buffer | undefined;
  responseBody: BodyScanner | undefined;
  keepsClient: boolean;
  keepsUpstream: boolean;
  upstreamKeepAliveSeconds: number;
  status: number;
  responseBytes: number;
}
