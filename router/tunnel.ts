// A WebSocket after its handshake: bytes both ways until one side ends. Started by the response relay on a valid 101.
// Must never open for a 101 that does not answer the client's own key, and never read faster than the other side takes.
import { createHash } from 'node:crypto';
import { completeTunnel, failExchange } from './end-exchange.ts';
import { type Exchange, Stage } from './exchange.ts';
import type { Frame } from './frame-message.ts';
import { Kind } from './header-kinds.ts';
import type { ProxyParts } from './proxy-parts.ts';
import type { Head } from './read-head.ts';
import { responseHeadText } from './rewrite-head.ts';
import { writeBorrowed } from './write-borrowed.ts';

/** RFC 6455 §1.3. */
const webSocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Larger reads go on as bytes of their own, smaller ones as text, which costs no buffer. */
const textBytes = 8 * 1024;

function answersKey(head: Head, key: string): boolean {
  const wanted = createHash('sha1')
    .update(key + webSocketGuid)
    .digest('base64');
  let accepts = 0;
  for (let field = 0; field < head.count; field++)
    if (head.kinds[field] === Kind.webSocketAccept) accepts += head.value(field) === wanted ? 1 : 2;
  return accepts === 1;
}

/** Opens the tunnel; `early` is what the instance sent right after its 101. */
export function startTunnel(
  exchange: Exchange,
  parts: ProxyParts,
  head: Head,
  frame: Frame,
  early: Buffer,
): void {
  const { upstream, client } = exchange;
  const isValid =
    frame.upgrade === 'websocket' && frame.wantsUpgrade && answersKey(head, exchange.webSocketKey);
  if (!upstream || !isValid) {
    failExchange(exchange, parts, 'H17');
    return;
  }
  exchange.stage = Stage.tunnel;
  exchange.status = 101;
  upstream.use({
    connected() {},
    received(bytes, size) {
      exchange.responseBytes += size;
      if (size <= textBytes) return client.writeText(bytes.toString('latin1', 0, size));
      return client.writeBytes(Buffer.from(bytes.subarray(0, size)));
    },
    drained: () => client.resume(),
    closed() {
      completeTunnel(exchange, parts, '');
      client.endWith('');
    },
  });
  client.writeText(
    responseHeadText(head, frame, { connection: 'Upgrade', dropsEncoding: true, dropsLength: true }),
  );
  if (early.length > 0) client.writeBytes(early);
  client.feed();
}

/** Bytes from the client. */
export function tunnelReceived(exchange: Exchange, bytes: Buffer): void {
  const socket = exchange.upstream?.socket;
  if (!socket) return;
  if (!writeBorrowed(socket, bytes) && socket.writableLength > 0) exchange.client.pause();
}

/** The client ended its side: the instance is told, and what it still sends goes through until it ends too. */
export function tunnelEnded(exchange: Exchange): void {
  exchange.upstream?.socket.end();
}
