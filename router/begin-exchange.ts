// Makes the exchange of a request whose head was accepted. Called by the client connection, which then dispatches it.
import { BodyScanner } from './body-scanner.ts';
import { type ClientSide, type Exchange, Stage } from './exchange.ts';
import { type Frame, Framing } from './frame-message.ts';
import { Kind } from './header-kinds.ts';
import { newRequestId } from './new-request-id.ts';
import type { Head } from './read-head.ts';
import { acceptedRequestId, requestHeadText } from './rewrite-head.ts';

/** What the listener knows about a peer. */
export interface Peer {
  address: string;
  isTrusted: boolean;
  /** The port that visitors use. */
  port: number;
}

export function beginExchange(client: ClientSide, peer: Peer, head: Head, frame: Frame): Exchange {
  const requestId = acceptedRequestId(head) || newRequestId();
  const startedAt = performance.now();
  const hasBody = frame.framing === Framing.chunked || (frame.framing === Framing.length && frame.length > 0);
  const isWebSocket = frame.wantsUpgrade && frame.upgrade !== '';
  const { address, isTrusted, port } = peer;
  return {
    client,
    method: head.method,
    path: head.target,
    host: frame.host,
    requestId,
    headText: requestHeadText(head, frame, { address, isTrusted, port, requestId, receivedAt: Date.now() }),
    minorVersion: head.minorVersion,
    keepAlive: frame.keepAlive,
    webSocketKey: isWebSocket ? webSocketKey(head) : '',
    startedAt,
    requestBody: hasBody ? new BodyScanner(frame.framing, frame.length, false) : undefined,
    isRequestDone: !hasBody,
    requestDoneAt: startedAt,
    bodyBytes: 0,
    bodyWaitMs: 0,
    stage: Stage.waiting,
    entry: undefined,
    target: undefined,
    upstream: undefined,
    tried: [],
    lastConnectFailure: 'H21',
    isHeld: false,
    waitUntil: 0,
    connectMs: 0,
    partialHead: undefined,
    responseBody: undefined,
    keepsClient: false,
    keepsUpstream: false,
    upstreamKeepAliveSeconds: 0,
    status: 0,
    responseBytes: 0,
  };
}

function webSocketKey(head: Head): string {
  for (let field = 0; field < head.count; field++)
    if (head.kinds[field] === Kind.webSocketKey) return head.value(field);
  return '';
}
