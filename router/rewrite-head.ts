// Makes the head that goes on from the one that came: hop-by-hop headers end here, forwarding headers are set here.
// Pure text work on a parsed head. Must never pass X-Forwarded-* or Forwarded of a stranger, nor a header named by Connection.
import type { Frame } from './frame-message.ts';
import { Kind } from './header-kinds.ts';
import type { Head } from './read-head.ts';

/** What every request gets added, besides its own headers. */
export interface Forwarding {
  /** The peer's address. */
  address: string;
  /** The peer is a trusted proxy: its X-Forwarded-* are kept and extended. */
  isTrusted: boolean;
  /** The port that visitors use. */
  port: number;
  requestId: string;
  /** Milliseconds since the epoch. */
  receivedAt: number;
}

const requestIdPattern = /^[A-Za-z0-9_.:/+=@-]{1,200}$/;

/** The client's X-Request-Id if it is safe to log and pass on, else ''. */
export function acceptedRequestId(head: Head): string {
  for (let field = 0; field < head.count; field++)
    if (head.kinds[field] === Kind.requestId) {
      const value = head.value(field);
      return requestIdPattern.test(value) ? value : '';
    }
  return '';
}

/** Header kinds of a request that never go on as they came. */
const droppedFromRequest = new Uint8Array(256);
for (const kind of [
  Kind.connection,
  Kind.upgrade,
  Kind.hop,
  Kind.keepAlive,
  Kind.forwarded,
  Kind.forwardedFor,
  Kind.forwardedProto,
  Kind.forwardedPort,
  Kind.requestId,
  Kind.requestStart,
  Kind.lookalike,
])
  droppedFromRequest[kind] = 1;

const droppedFromResponse = new Uint8Array(256);
for (const kind of [Kind.connection, Kind.upgrade, Kind.hop, Kind.keepAlive, Kind.lookalike])
  droppedFromResponse[kind] = 1;

function isNamedHop(head: Head, field: number, frame: Frame): boolean {
  return frame.hopNames.length > 0 && frame.hopNames.includes(head.name(field).toLowerCase());
}

/** The header lines that go on, copied in runs. */
function keptLines(head: Head, frame: Frame, dropped: Uint8Array, keepTrusted: boolean): string {
  let lines = '';
  let runStart = head.firstField;
  for (let field = 0; field < head.count; field++) {
    const kind = head.kinds[field] as number;
    const isKept =
      dropped[kind] === 0 || (keepTrusted && kind >= Kind.forwarded && kind <= Kind.forwardedPort);
    if (isKept && kind !== Kind.forwardedFor && !isNamedHop(head, field, frame)) continue;
    const lineStart = head.lineStarts[field] as number;
    if (lineStart > runStart) lines += head.text.slice(runStart, lineStart);
    runStart = head.lineStarts[field + 1] as number;
  }
  const end = head.lineStarts[head.count] as number;
  return lines + head.text.slice(runStart, end);
}

function trustedValue(head: Head, wanted: number): string {
  let value = '';
  for (let field = 0; field < head.count; field++)
    if (head.kinds[field] === wanted) value += (value === '' ? '' : ', ') + head.value(field);
  return value;
}

/** X-Forwarded-For, -Proto and -Port for a request that came through a trusted proxy. */
function trustedForwarding(head: Head, forwarding: Forwarding): string {
  const before = trustedValue(head, Kind.forwardedFor);
  let lines = `x-forwarded-for: ${before === '' ? '' : `${before}, `}${forwarding.address}\r\n`;
  if (trustedValue(head, Kind.forwardedProto) === '') lines += 'x-forwarded-proto: http\r\n';
  if (trustedValue(head, Kind.forwardedPort) === '') lines += `x-forwarded-port: ${forwarding.port}\r\n`;
  return lines;
}

/** The request head for the instance. Always HTTP/1.1, and silent about the connection, which is the pool's. */
export function requestHeadText(head: Head, frame: Frame, forwarding: Forwarding): string {
  const { address, isTrusted, port, requestId, receivedAt } = forwarding;
  const forwarded = isTrusted
    ? trustedForwarding(head, forwarding)
    : `x-forwarded-for: ${address}\r\nx-forwarded-proto: http\r\nx-forwarded-port: ${port}\r\n`;
  const upgrade =
    frame.wantsUpgrade && frame.upgrade !== '' ? 'connection: Upgrade\r\nupgrade: websocket\r\n' : '';
  return `${head.method} ${head.target} HTTP/1.1\r\n${keptLines(head, frame, droppedFromRequest, isTrusted)}${forwarded}x-request-id: ${requestId}\r\nx-request-start: ${receivedAt}\r\nvia: 1.1 berth\r\n${upgrade}\r\n`;
}

export interface ResponseRewrite {
  /** Say `connection: close` (or, to HTTP/1.0, `keep-alive`). */
  connection: '' | 'close' | 'keep-alive' | 'Upgrade';
  /** The receiver knows no chunks: the header goes with the coding. */
  dropsEncoding: boolean;
  dropsLength: boolean;
}

/** The response head for the client. */
export function responseHeadText(head: Head, frame: Frame, rewrite: ResponseRewrite): string {
  const statusLine = `HTTP/1.1${head.text.slice(8, head.firstField)}`;
  const dropped = droppedFor(rewrite);
  const { connection } = rewrite;
  let added = 'via: 1.1 berth\r\n';
  if (connection === 'Upgrade') added += 'connection: Upgrade\r\nupgrade: websocket\r\n';
  else if (connection !== '') added += `connection: ${connection}\r\n`;
  return `${statusLine}${keptLines(head, frame, dropped, false)}${added}\r\n`;
}

const droppedWithEncoding = Uint8Array.from(droppedFromResponse);
droppedWithEncoding[Kind.transferEncoding] = 1;
const droppedWithBoth = Uint8Array.from(droppedWithEncoding);
droppedWithBoth[Kind.contentLength] = 1;

function droppedFor({ dropsEncoding, dropsLength }: ResponseRewrite): Uint8Array {
  if (dropsLength) return droppedWithBoth;
  return dropsEncoding ? droppedWithEncoding : droppedFromResponse;
}
