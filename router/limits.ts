// Every limit and deadline of the router in one place, each with the failure it prevents.
// Read by all files of this folder; tests shorten the times. Must hold no state.

export interface Limits {
  /** Request head, request line and headers together: a longer one answers 431 and cannot fill memory. */
  requestHeadBytes: number;
  /** Request line alone: 414 beyond it. */
  requestLineBytes: number;
  /** Header lines of a message: each costs time at every hop. */
  headerCount: number;
  /** Response head; a longer one is H17. Larger than the request's because of cookies. */
  responseHeadBytes: number;
  /** What one client may have read ahead of the request being served (a pipelined request, an early body). */
  readAheadBytes: number;
  /** From the first byte of a head to its end: a slow head must not hold a connection (408). */
  headMs: number;
  /** An open connection without a request. */
  keepAliveMs: number;
  /** A slow body gets this long before the floor below counts. */
  bodyGraceMs: number;
  /** Average bytes a second that a body must reach, else 408. */
  bodyFloorBytes: number;
  /** For a connection to an instance (H19). */
  connectMs: number;
  /** From the end of the request to the first byte of the response (H12). */
  firstByteMs: number;
  /** Without a byte in either direction, for streams and WebSockets too (H15). */
  idleMs: number;
  /** How long a request waits for the first instance of an app that starts (H20). */
  startingMs: number;
  /** How long a request waits for a new table after every target refused: an instance that died is replaced. */
  refusedMs: number;
  /** Requests that may wait for one app (H11). */
  waitingRequests: number;
  /** After a failed connection an instance gets no request for this long, if there is another one. */
  ejectMs: number;
  /** After an answer that ends a connection: time for the client to read it before the reset. */
  lingerMs: number;
  /** An idle connection to an instance, if the instance did not say less. */
  pooledMs: number;
  /** Beyond this idle time a request that must not be repeated takes a fresh connection. */
  pooledUnsafeMs: number;
  /** Idle connections kept for each instance. */
  pooledConnections: number;
  /** Client connections at once; more are refused by closing them. */
  clientConnections: number;
  /** How often deadlines are looked at: their precision. */
  sweepMs: number;
  /** Without a byte from the controller, keep-alive lines too (they come every 2 s), the route stream is opened again. */
  controllerSilenceMs: number;
  /** A stop waits this long for requests in flight. */
  stopMs: number;
}

export const defaultLimits: Limits = {
  requestHeadBytes: 16 * 1024,
  requestLineBytes: 8 * 1024,
  headerCount: 100,
  responseHeadBytes: 64 * 1024,
  readAheadBytes: 64 * 1024,
  headMs: 10_000,
  keepAliveMs: 75_000,
  bodyGraceMs: 5_000,
  bodyFloorBytes: 256,
  connectMs: 5_000,
  firstByteMs: 30_000,
  idleMs: 55_000,
  startingMs: 15_000,
  refusedMs: 1_000,
  waitingRequests: 1_000,
  ejectMs: 3_000,
  lingerMs: 2_000,
  pooledMs: 30_000,
  pooledUnsafeMs: 1_000,
  pooledConnections: 128,
  clientConnections: 50_000,
  sweepMs: 250,
  controllerSilenceMs: 8_000,
  stopMs: 9_000,
};
