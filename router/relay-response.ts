// Brings the instance's response to the client: parses its head as strictly as a request's, then streams the body both ways at the slower one's pace.
// Called with each read of the upstream connection. Must never keep the read's bytes: they are overwritten by the next read.
import { BodyScanner } from './body-scanner.ts';
import { completeExchange, failExchange } from './end-exchange.ts';
import { type Exchange, Stage } from './exchange.ts';
import { Frame, Framing, frameResponse } from './frame-message.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { Head, incomplete, readResponseHead, refused } from './read-head.ts';
import { responseHeadText } from './rewrite-head.ts';
import { startTunnel } from './tunnel.ts';
import { bulkBytes, type UpstreamConnection } from './upstream-connection.ts';

// Filled again for each response; never used across two reads.
const head = new Head();
const frame = new Frame();

/** Up to this size a body is sent in one write with its head. */
const joinedBytes = 8 * 1024;

/** Bytes from the instance; false: stop reading until the client has taken what it has. */
export function relayReceived(
  exchange: Exchange,
  parts: ProxyParts,
  read: Buffer,
  readSize: number,
): boolean {
  if (exchange.stage === Stage.responding) return relayBody(exchange, parts, read, 0, readSize, '');
  let bytes = read;
  let size = readSize;
  if (exchange.partialHead) {
    bytes = Buffer.concat([exchange.partialHead, read.subarray(0, readSize)]);
    size = bytes.length;
    exchange.partialHead = undefined;
  }
  const { responseHeadBytes } = parts.limits;
  const headLimits = { headBytes: responseHeadBytes, lineBytes: 8192, headerCount: 255 };
  for (let from = 0; ; ) {
    const end = readResponseHead(bytes, from, size, headLimits, head);
    if (end === incomplete) {
      if (size > from) exchange.partialHead = Buffer.from(bytes.subarray(from, size));
      return true;
    }
    const isFramed = end !== refused && frameResponse(head, frame, exchange.method === 'HEAD');
    if (!isFramed || !isWanted(exchange)) {
      failExchange(exchange, parts, 'H17');
      return false;
    }
    if (head.status === 101) {
      startTunnel(exchange, parts, head, frame, Buffer.from(bytes.subarray(end, size)));
      return true;
    }
    if (head.status >= 200) return startResponse(exchange, parts, bytes, end, size);
    sendInterim(exchange);
    from = end;
  }
}

/** A switch of protocols that the client did not ask for would end this parser's watch. */
function isWanted(exchange: Exchange): boolean {
  return head.status !== 101 || exchange.webSocketKey !== '';
}

/** 100 and 103 pass; HTTP/1.0 does not know them. */
function sendInterim(exchange: Exchange): void {
  const rewrite = { connection: '', dropsEncoding: true, dropsLength: true } as const;
  if (exchange.minorVersion === 1) exchange.client.writeText(responseHeadText(head, frame, rewrite));
}

function startResponse(
  exchange: Exchange,
  parts: ProxyParts,
  bytes: Buffer,
  from: number,
  size: number,
): boolean {
  const { framing } = frame;
  const isOld = exchange.minorVersion === 0;
  const losesFraming = framing === Framing.untilClose || (isOld && framing === Framing.chunked);
  const keeps =
    exchange.keepAlive &&
    exchange.isRequestDone &&
    !losesFraming &&
    exchange.webSocketKey === '' &&
    !exchange.client.isLast;
  exchange.stage = Stage.responding;
  exchange.status = head.status;
  exchange.keepsClient = keeps;
  exchange.keepsUpstream = frame.keepAlive;
  exchange.upstreamKeepAliveSeconds = frame.keepAliveSeconds;
  const connection = keeps ? (isOld ? 'keep-alive' : '') : 'close';
  const text = responseHeadText(head, frame, {
    connection,
    dropsEncoding: isOld || framing === Framing.none,
    dropsLength: head.status === 204,
  });
  if (framing === Framing.none) {
    exchange.client.writeText(text);
    // Bytes beyond the response are nobody's answer: the connection carries no other request.
    if (size > from) exchange.keepsUpstream = false;
    completeExchange(exchange, parts);
    return true;
  }
  if (framing === Framing.length && size - from === frame.length && size - from <= joinedBytes) {
    // The usual small answer, whole in one read: one write, nothing to follow.
    exchange.responseBytes = frame.length;
    exchange.client.writeText(text + bytes.toString('latin1', from, size));
    completeExchange(exchange, parts);
    return true;
  }
  exchange.responseBody = new BodyScanner(framing, frame.length, isOld && framing === Framing.chunked);
  return relayBody(exchange, parts, bytes, from, size, text);
}

function relayBody(
  exchange: Exchange,
  parts: ProxyParts,
  bytes: Buffer,
  from: number,
  size: number,
  headText: string,
): boolean {
  const { responseBody, upstream, client } = exchange;
  if (!responseBody || !upstream) return false;
  const end = responseBody.scan(bytes, from, size);
  if (responseBody.problem !== '') {
    // A fault in the first read can still be told with a page; later only the connection's end tells it.
    if (headText !== '') exchange.stage = Stage.sent;
    failExchange(exchange, parts, 'H17');
    return false;
  }
  const goesOn = writeRanges(exchange, bytes, headText);
  if (responseBody.isDone) {
    if (end < size) exchange.keepsUpstream = false;
    upstream.endBulk(client.unwrittenBytes === 0);
    completeExchange(exchange, parts);
    return true;
  }
  if (size - from >= bulkBytes) upstream.startBulk();
  return goesOn;
}

/** Writes what the scanner passed, with the head before it; false when the client must take it first. */
function writeRanges(exchange: Exchange, bytes: Buffer, headText: string): boolean {
  const { responseBody, client, upstream } = exchange;
  if (!responseBody || !upstream) return false;
  const { ranges, rangeCount } = responseBody;
  if (rangeCount === 0) return headText === '' || client.writeText(headText);
  // The read buffer is the connection's own, but the next read's too: no read before the client has all of these bytes.
  const flushed = upstream.isBulk ? () => resumeWhenTaken(exchange, upstream) : undefined;
  let goesOn = true;
  for (let i = 0; i < rangeCount; i += 2) {
    const start = ranges[i] as number;
    const stop = ranges[i + 1] as number;
    const before = i === 0 ? headText : '';
    exchange.responseBytes += stop - start;
    if (stop - start <= joinedBytes)
      goesOn = client.writeText(before + bytes.toString('latin1', start, stop), flushed);
    else {
      if (before !== '') client.writeText(before, flushed);
      const part = bytes.subarray(start, stop);
      goesOn = client.writeBytes(flushed ? part : Buffer.from(part), flushed);
    }
  }
  return flushed ? client.unwrittenBytes === 0 : goesOn;
}

function resumeWhenTaken(exchange: Exchange, upstream: UpstreamConnection): void {
  if (exchange.client.unwrittenBytes === 0 && exchange.upstream === upstream) upstream.socket.resume();
}

/** The client took what was written: the instance may send on. */
export function clientDrained(exchange: Exchange): void {
  exchange.upstream?.socket.resume();
}

/** The instance closed the connection after the request went out. */
export function relayClosed(exchange: Exchange, parts: ProxyParts, error: Error | undefined): void {
  if (exchange.stage === Stage.sent) {
    failExchange(exchange, parts, exchange.partialHead ? 'H17' : 'H13');
    return;
  }
  exchange.keepsUpstream = false;
  if (error === undefined && exchange.responseBody?.endsWithConnection) completeExchange(exchange, parts);
  else failExchange(exchange, parts, 'H18');
}
