// Brings a request to an instance: finds the app, chooses a target, connects or reuses, retries where that is safe, streams the body.
// Started by the client connection. Must never send a request twice when the first instance may have acted on it.

import { chooseTarget } from './choose-target.ts';
import { failExchange, leaveTarget, unhold } from './end-exchange.ts';
import { type Exchange, Stage } from './exchange.ts';
import type { OutcomeCode } from './outcomes.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { relayClosed, relayReceived } from './relay-response.ts';
import type { HostEntry, Target } from './table.ts';
import type { UpstreamUser } from './upstream-connection.ts';
import { writeBorrowed } from './write-borrowed.ts';

/** More refusals than this in a row are an outage, not bad luck. */
const mostAttempts = 5;

const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** A repeat cannot do a thing twice, and the request is whole in `headText`. */
function isRepeatable(exchange: Exchange): boolean {
  return exchange.bodyBytes === 0 && idempotentMethods.has(exchange.method);
}

/** Finds an instance for the request now; called at its start, after a refusal and whenever the table changed. */
export function dispatchExchange(exchange: Exchange, parts: ProxyParts): void {
  const entry = parts.table.find(exchange.host);
  if (entry?.app !== exchange.entry?.app) unhold(exchange, parts);
  exchange.entry = entry;
  if (!entry) {
    failExchange(exchange, parts, parts.table.isKnown ? 'no-such-app' : 'H99');
    return;
  }
  if (entry.targets.length === 0) {
    waitForInstance(exchange, parts, entry);
    return;
  }
  const now = exchange.waitUntil === 0 ? exchange.startedAt : performance.now();
  const target =
    exchange.tried.length < mostAttempts ? chooseTarget(entry.targets, exchange.tried, now) : undefined;
  if (!target) {
    hold(exchange, parts, entry, parts.limits.refusedMs);
    return;
  }
  unhold(exchange, parts);
  sendTo(exchange, parts, target, now);
}

const answersWithoutInstance: Partial<Record<HostEntry['state'], OutcomeCode>> = {
  blank: 'H81',
  crashed: 'H10',
  stopped: 'H14',
};

function waitForInstance(exchange: Exchange, parts: ProxyParts, entry: HostEntry): void {
  const code = answersWithoutInstance[entry.state];
  if (code) failExchange(exchange, parts, code);
  else hold(exchange, parts, entry, parts.limits.startingMs);
}

function hold(exchange: Exchange, parts: ProxyParts, entry: HostEntry, waitMs: number): void {
  if (exchange.stage !== Stage.waiting || exchange.waitUntil === 0)
    exchange.waitUntil = performance.now() + waitMs;
  exchange.stage = Stage.waiting;
  exchange.isHeld = parts.held.add(entry.app.name, exchange);
  if (!exchange.isHeld) failExchange(exchange, parts, 'H11');
}

/** The code for a request that waited in vain. */
export function waitFailure(exchange: Exchange): OutcomeCode {
  return exchange.tried.length > 0 ? exchange.lastConnectFailure : 'H20';
}

function sendTo(exchange: Exchange, parts: ProxyParts, target: Target, now: number): void {
  target.inFlight++;
  if (exchange.entry) exchange.entry.app.inFlight++;
  exchange.target = target;
  const isSafe = exchange.requestBody === undefined && idempotentMethods.has(exchange.method);
  const maxIdleMs = isSafe ? parts.limits.pooledMs : parts.limits.pooledUnsafeMs;
  const pooled = parts.pool.take(target, now, maxIdleMs);
  if (!pooled) {
    connectTo(exchange, parts, target, now);
    return;
  }
  exchange.upstream = pooled;
  if (isSafe) {
    pooled.use(new InstanceSide(exchange, parts, now));
    sendHead(exchange, parts, now);
    return;
  }
  // A close that the instance sent already is read within two turns of the event loop. Looking first keeps a POST,
  // which cannot be repeated, from being written to a connection that is known to be closed.
  exchange.stage = Stage.connecting;
  exchange.waitUntil = now + parts.limits.connectMs;
  const send = () => {
    if (exchange.upstream !== pooled) return;
    if (pooled.isClosed) return connectTo(exchange, parts, target, performance.now());
    pooled.use(new InstanceSide(exchange, parts, now));
    sendHead(exchange, parts, performance.now());
  };
  setImmediate(() => setImmediate(send));
}

function connectTo(exchange: Exchange, parts: ProxyParts, target: Target, now: number): void {
  exchange.stage = Stage.connecting;
  exchange.waitUntil = now + parts.limits.connectMs;
  exchange.upstream = parts.pool.connect(target, new InstanceSide(exchange, parts, now));
}

/** The exchange as its upstream connection sees it. */
class InstanceSide implements UpstreamUser {
  readonly #exchange: Exchange;
  readonly #parts: ProxyParts;
  readonly #startedAt: number;

  constructor(exchange: Exchange, parts: ProxyParts, startedAt: number) {
    this.#exchange = exchange;
    this.#parts = parts;
    this.#startedAt = startedAt;
  }

  connected(): void {
    const now = performance.now();
    this.#exchange.connectMs = Math.round(now - this.#startedAt);
    sendHead(this.#exchange, this.#parts, now);
  }

  received(bytes: Buffer, size: number): boolean {
    try {
      return relayReceived(this.#exchange, this.#parts, bytes, size);
    } catch (error) {
      this.#exchange.client.fault(error);
      return false;
    }
  }

  closed(error: Error | undefined): void {
    upstreamClosed(this.#exchange, this.#parts, error);
  }

  drained(): void {
    this.#exchange.client.resume();
  }
}

function sendHead(exchange: Exchange, parts: ProxyParts, now: number): void {
  const { upstream } = exchange;
  if (!upstream) return;
  exchange.stage = Stage.sent;
  exchange.requestDoneAt = now;
  if (exchange.isRequestDone) {
    upstream.socket.write(exchange.headText, 'latin1');
    return;
  }
  upstream.socket.cork();
  upstream.socket.write(exchange.headText, 'latin1');
  exchange.client.feed();
  upstream.socket.uncork();
  if (exchange.requestBody?.problem) refuseBody(exchange, parts);
}

/** Takes body bytes of the client; gives the offset after the last one that belongs to this request. */
export function sendBody(exchange: Exchange, parts: ProxyParts, bytes: Buffer): number {
  const { requestBody, upstream } = exchange;
  const isSent = exchange.stage === Stage.sent || exchange.stage === Stage.responding;
  if (!requestBody || !upstream || !isSent) return 0;
  const end = requestBody.scan(bytes, 0, bytes.length);
  exchange.bodyBytes += end;
  let hasRoom = true;
  for (let i = 0; i < requestBody.rangeCount; i += 2)
    hasRoom = writeBorrowed(upstream.socket, bytes, requestBody.ranges[i], requestBody.ranges[i + 1]);
  if (requestBody.problem !== '') {
    if (!upstream.socket.writableCorked) refuseBody(exchange, parts);
    return bytes.length;
  }
  if (requestBody.isDone) {
    exchange.isRequestDone = true;
    exchange.requestDoneAt = performance.now();
  } else if (!hasRoom && upstream.socket.writableLength > 0 && !upstream.socket.writableCorked)
    exchange.client.pause();
  return end;
}

function refuseBody(exchange: Exchange, parts: ProxyParts): void {
  const detail = exchange.requestBody?.problem ?? '';
  failExchange(exchange, parts, 'bad-request', { detail });
}

function upstreamClosed(exchange: Exchange, parts: ProxyParts, error: Error | undefined): void {
  if (exchange.stage === Stage.connecting) {
    connectFailed(exchange, parts, error);
    return;
  }
  const { upstream, target } = exchange;
  const isStale = upstream?.isReused && exchange.stage === Stage.sent && exchange.partialHead === undefined;
  if (isStale && target && isRepeatable(exchange)) {
    // The instance closed a kept connection while the request was on its way: it never saw it.
    exchange.upstream = undefined;
    connectTo(exchange, parts, target, performance.now());
    return;
  }
  relayClosed(exchange, parts, error);
}

/** A target that takes no connection: it gets a pause, the request goes to another one. Nothing was sent yet. */
export function connectFailed(exchange: Exchange, parts: ProxyParts, error: Error | undefined): void {
  const { target } = exchange;
  exchange.lastConnectFailure = error && !isTimeout(error) ? 'H21' : 'H19';
  leaveTarget(exchange, parts, false, performance.now());
  if (!target) return;
  if (isLocalFailure(error)) {
    failExchange(exchange, parts, 'H99');
    return;
  }
  target.ejectedUntil = performance.now() + parts.limits.ejectMs;
  exchange.tried.push(target);
  dispatchExchange(exchange, parts);
}

function isTimeout(error: Error): boolean {
  return 'code' in error && error.code === 'ETIMEDOUT';
}

/** Out of descriptors or ports: the instance is not to blame. */
function isLocalFailure(error: Error | undefined): boolean {
  return (
    error !== undefined &&
    'code' in error &&
    ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS'].includes(String(error.code))
  );
}
