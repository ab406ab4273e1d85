// The ends of an exchange: answered by the instance, answered by the router, broken off. Each writes the log line and frees the target, once.
// Called by the steps and by the sweep. Must never leave an upstream connection with an ended exchange.
import { errorResponse, wantsJson } from './error-pages.ts';
import { type Exchange, Stage } from './exchange.ts';
import { type OutcomeCode, outcomes } from './outcomes.ts';
import type { ProxyParts } from './proxy-parts.ts';

/** Takes the exchange out of the hold queue, if it stands there. */
export function unhold(exchange: Exchange, parts: ProxyParts): void {
  if (exchange.isHeld && exchange.entry) parts.held.remove(exchange.entry.app.name, exchange);
  exchange.isHeld = false;
}

/** Gives the target and its connection back; a connection that is not known to be clean is destroyed. */
export function leaveTarget(exchange: Exchange, parts: ProxyParts, keeps: boolean, now: number): void {
  const { upstream, target } = exchange;
  exchange.upstream = undefined;
  exchange.target = undefined;
  if (upstream) {
    if (keeps) parts.pool.give(upstream, now, exchange.upstreamKeepAliveSeconds);
    else upstream.destroy();
  }
  if (target) {
    if (exchange.entry) exchange.entry.app.inFlight--;
    parts.table.release(target);
  }
}

function close(exchange: Exchange, parts: ProxyParts, code: OutcomeCode | '', keepsUpstream: boolean): void {
  const { entry, target } = exchange;
  const wasTunnel = exchange.stage === Stage.tunnel;
  exchange.stage = Stage.ended;
  if (entry) {
    unhold(exchange, parts);
    entry.app.requests++;
    if (code !== '' && outcomes[code].status >= 500) entry.app.errors++;
  }
  const instance = target?.instance ?? '';
  const now = performance.now();
  leaveTarget(exchange, parts, keepsUpstream, now);
  parts.log.add(entry?.app, {
    code,
    method: exchange.method,
    path: exchange.path,
    host: exchange.host,
    requestId: exchange.requestId,
    address: exchange.client.address,
    instance,
    connectMs: exchange.connectMs,
    serviceMs: Math.round(now - exchange.startedAt),
    status: exchange.status,
    bytes: exchange.responseBytes,
    isWebSocket: wasTunnel,
  });
}

/** The instance's response is complete. */
export function completeExchange(exchange: Exchange, parts: ProxyParts): void {
  if (exchange.stage === Stage.ended) return;
  close(exchange, parts, '', exchange.keepsUpstream && exchange.isRequestDone);
  exchange.client.exchangeEnded(exchange.keepsClient && exchange.isRequestDone);
}

/** A tunnel ended; its connections are closed by the tunnel. */
export function completeTunnel(exchange: Exchange, parts: ProxyParts, code: OutcomeCode | ''): void {
  if (exchange.stage !== Stage.ended) close(exchange, parts, code, false);
}

/** The client left: nothing can be answered, the instance's work is cancelled at once. */
export function abandonExchange(exchange: Exchange, parts: ProxyParts): void {
  if (exchange.stage === Stage.ended) return;
  exchange.status = outcomes.H27.status;
  close(exchange, parts, 'H27', false);
}

/** Answers with a page of our own; when the response has begun, breaks it off so that the client sees it is not whole. */
export function failExchange(
  exchange: Exchange,
  parts: ProxyParts,
  code: OutcomeCode,
  refusal: { status?: number; detail?: string } = {},
): void {
  if (exchange.stage === Stage.ended) return;
  const hasBegun = exchange.stage === Stage.responding;
  const { client } = exchange;
  const closes =
    !exchange.isRequestDone || !exchange.keepAlive || exchange.webSocketKey !== '' || client.isLast;
  if (!hasBegun) exchange.status = refusal.status ?? outcomes[code].status;
  close(exchange, parts, code, false);
  if (hasBegun) {
    // With a length or chunks the client counts for itself; otherwise only a reset says that the end is missing.
    if (exchange.responseBody?.endsUnmarked) client.reset();
    else client.endWith('');
    return;
  }
  const page = errorResponse({
    code,
    ...refusal,
    requestId: exchange.requestId,
    wantsJson: wantsJson(exchange.headText),
    isHead: exchange.method === 'HEAD',
    closes: closes || exchange.minorVersion === 0,
  });
  if (closes || exchange.minorVersion === 0) {
    client.endWith(page);
    return;
  }
  client.writeText(page);
  client.exchangeEnded(true);
}
