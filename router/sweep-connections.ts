// The deadlines of all connections, looked at a few times a second in one pass: thousands of timers would cost more than they guard.
// Started by the listener. Every wait of a client or an instance ends here.
import type { ClientConnection } from './client-connection.ts';
import { completeTunnel, failExchange } from './end-exchange.ts';
import { type Exchange, Stage } from './exchange.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { connectFailed, waitFailure } from './send-request.ts';

export function sweepConnection(
  connection: ClientConnection,
  parts: ProxyParts,
  now: number,
  sinceLastMs: number,
): void {
  const { limits } = parts;
  const { exchange } = connection;
  if (connection.wasActive) {
    connection.wasActive = false;
    connection.activeAt = now;
  }
  if (connection.lingerUntil > 0) {
    if (now >= connection.lingerUntil) connection.destroy();
  } else if (exchange) sweepExchange(connection, exchange, parts, now, sinceLastMs);
  else if (connection.headSince > 0) {
    if (now - connection.headSince > limits.headMs)
      connection.refuse(408, 'the request head did not arrive in time');
  } else if (now - connection.activeAt > limits.keepAliveMs) connection.destroy();
}

function sweepExchange(
  connection: ClientConnection,
  exchange: Exchange,
  parts: ProxyParts,
  now: number,
  sinceLastMs: number,
): void {
  const { limits } = parts;
  const isIdle = now - connection.activeAt > limits.idleMs;
  switch (exchange.stage) {
    case Stage.waiting:
      if (now >= exchange.waitUntil) failExchange(exchange, parts, waitFailure(exchange));
      break;
    case Stage.connecting:
      if (now >= exchange.waitUntil) connectFailed(exchange, parts, undefined);
      break;
    case Stage.sent:
      if (!exchange.isRequestDone) sweepBody(connection, exchange, parts, sinceLastMs, isIdle);
      else if (now - exchange.requestDoneAt > limits.firstByteMs) failExchange(exchange, parts, 'H12');
      break;
    case Stage.responding:
      if (isIdle) failExchange(exchange, parts, 'H15');
      break;
    case Stage.tunnel:
      if (isIdle) {
        completeTunnel(exchange, parts, 'H15');
        connection.endWith('');
      }
      break;
  }
}

/** Counts only the time spent waiting for the client: a slow instance is not the client's fault. */
function sweepBody(
  connection: ClientConnection,
  exchange: Exchange,
  parts: ProxyParts,
  sinceLastMs: number,
  isIdle: boolean,
): void {
  const { bodyGraceMs, bodyFloorBytes } = parts.limits;
  if (connection.isPaused) {
    if (isIdle) failExchange(exchange, parts, 'H12');
    return;
  }
  exchange.bodyWaitMs += sinceLastMs;
  const countedMs = exchange.bodyWaitMs - bodyGraceMs;
  if (countedMs > 0 && exchange.bodyBytes < (countedMs / 1000) * bodyFloorBytes)
    failExchange(exchange, parts, 'H28');
}
