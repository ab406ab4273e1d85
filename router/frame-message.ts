// Where a message's body ends, decided from its head (RFC 9112 §6.3) with every ambiguity refused.
// Called once for each head; pure. Must never let two framings stand: that is how requests are smuggled.
import { Kind } from './header-kinds.ts';
import type { Head } from './read-head.ts';

export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/** What the head says about its body and its connection. One instance is filled again and again. */
export class Frame {
  framing: number = Framing.none;
  length = 0;
  host = '';
  /** Whether the sender will keep its connection open. */
  keepAlive = true;
  /** Names listed in Connection besides the known ones: removed like it. Lower case. */
  hopNames: string[] = [];
  wantsUpgrade = false;
  upgrade = '';
  expectsContinue = false;
  /** Seconds of the `timeout` in Keep-Alive; 0 when the sender does not say. */
  keepAliveSeconds = 0;
  problemStatus = 400;
  problem = '';

  refuse(problem: string, status = 400): false {
    this.problem = problem;
    this.problemStatus = status;
    return false;
  }
}

/** A length beyond 2^53 cannot be counted exactly. */
const lengthPattern = /^[0-9]{1,15}$/;
const hostPattern = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** A Connection header that names one of these would change what the message means at the next hop. */
const neverHop = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'cookie',
  'authorization',
]);

function reset(frame: Frame, head: Head): void {
  frame.framing = Framing.none;
  frame.length = 0;
  frame.host = '';
  frame.keepAlive = head.minorVersion === 1;
  frame.wantsUpgrade = false;
  frame.upgrade = '';
  frame.expectsContinue = false;
  frame.keepAliveSeconds = 0;
  if (frame.hopNames.length > 0) frame.hopNames = [];
}

function readConnection(value: string, frame: Frame): boolean {
  if (value === 'keep-alive') return setKeepAlive(frame, true);
  if (value === 'close') return setKeepAlive(frame, false);
  for (const part of value.toLowerCase().split(',')) {
    const name = part.trim();
    if (name === 'close') frame.keepAlive = false;
    else if (name === 'keep-alive') frame.keepAlive = true;
    else if (name === 'upgrade') frame.wantsUpgrade = true;
    else if (neverHop.has(name)) return frame.refuse(`Connection names "${name}"`);
    else if (name !== '') frame.hopNames.push(name);
  }
  return true;
}

function setKeepAlive(frame: Frame, keepAlive: boolean): true {
  frame.keepAlive = keepAlive;
  return true;
}

function readLength(value: string, isFirst: boolean, frame: Frame): boolean {
  if (!isFirst) return frame.refuse('there is more than one Content-Length');
  if (!lengthPattern.test(value)) return frame.refuse('Content-Length is not a number');
  frame.length = Number(value);
  frame.framing = Framing.length;
  return true;
}

function readEncoding(value: string, isFirst: boolean, frame: Frame): boolean {
  if (!isFirst) return frame.refuse('there is more than one Transfer-Encoding');
  if (value.toLowerCase() !== 'chunked') return frame.refuse('the Transfer-Encoding is not "chunked"');
  return true;
}

/** Reads the headers that both directions share. False: refused, `frame.problem` says why. */
function readFraming(head: Head, frame: Frame): boolean {
  let lengths = 0;
  let encodings = 0;
  for (let field = 0; field < head.count; field++) {
    const kind = head.kinds[field];
    if (kind === Kind.other) continue;
    if (kind === Kind.contentLength) {
      if (!readLength(head.value(field), lengths++ === 0, frame)) return false;
    } else if (kind === Kind.transferEncoding) {
      if (!readEncoding(head.value(field), encodings++ === 0, frame)) return false;
    } else if (kind === Kind.connection) {
      if (!readConnection(head.value(field), frame)) return false;
    } else if (kind === Kind.upgrade) {
      frame.upgrade += (frame.upgrade === '' ? '' : ',') + head.value(field).toLowerCase();
    } else if (kind === Kind.keepAlive) {
      frame.keepAliveSeconds = Number(/timeout=(\d{1,6})/i.exec(head.value(field))?.[1] ?? 0);
    }
  }
  if (encodings === 0) return true;
  if (lengths > 0) return frame.refuse('both Content-Length and Transfer-Encoding are set');
  if (head.minorVersion === 0) return frame.refuse('Transfer-Encoding is set in HTTP/1.0');
  frame.framing = Framing.chunked;
  return true;
}

/** Fills `frame` from a request head; false when it is ambiguous or asks for what the router never does. */
export function frameRequest(head: Head, frame: Frame): boolean {
  reset(frame, head);
  if (!readFraming(head, frame)) return false;
  for (let field = 0; field < head.count; field++) {
    if (head.kinds[field] === Kind.host) {
      if (frame.host !== '') return frame.refuse('there is more than one Host');
      frame.host = head.value(field);
      if (!hostPattern.test(frame.host)) return frame.refuse('Host is not a hostname');
    } else if (head.kinds[field] === Kind.expect) {
      if (head.value(field).toLowerCase() !== '100-continue')
        return frame.refuse('only "100-continue" may be expected', 417);
      frame.expectsContinue = true;
    }
  }
  if (frame.host === '') return frame.refuse('Host is missing');
  if (head.method === 'CONNECT' || head.method === 'TRACE')
    return frame.refuse(`the method "${head.method}" is not served`, 405);
  return checkTarget(head, frame) && checkUpgrade(head, frame);
}

/** Brings the target to origin form. An absolute one must name the Host's own authority (RFC 9112 §3.2.2). */
function checkTarget(head: Head, frame: Frame): boolean {
  const first = head.target.charCodeAt(0);
  if (first === 0x2f) return true;
  if (head.target === '*' && head.method === 'OPTIONS') return true;
  const absolute = /^https?:\/\/([^/?]*)(.*)$/is.exec(head.target);
  if (absolute?.[1] === undefined || absolute[1].toLowerCase() !== frame.host.toLowerCase())
    return frame.refuse('the request target is not a path of the Host');
  const rest = absolute[2] ?? '';
  head.target = rest.startsWith('/') ? rest : `/${rest}`;
  return true;
}

/** The only protocol to switch to is websocket (RFC 6455 §4.2.1); h2c and others would tunnel past this parser. */
function checkUpgrade(head: Head, frame: Frame): boolean {
  if (frame.upgrade === '') return true;
  if (frame.upgrade !== 'websocket') return frame.refuse('the only upgrade served is "websocket"');
  if (!frame.wantsUpgrade) return true;
  if (head.method !== 'GET' || head.minorVersion !== 1 || frame.framing !== Framing.none)
    return frame.refuse('a websocket handshake is a GET of HTTP/1.1 without a body');
  let keys = 0;
  let versions = 0;
  for (let field = 0; field < head.count; field++) {
    const kind = head.kinds[field];
    if (kind === Kind.webSocketKey && /^[A-Za-z0-9+/]{22}==$/.test(head.value(field))) keys++;
    else if (kind === Kind.webSocketVersion && head.value(field) === '13') versions++;
    else if (kind === Kind.webSocketKey || kind === Kind.webSocketVersion) keys = 2;
  }
  return (
    (keys === 1 && versions === 1) || frame.refuse('the websocket handshake lacks a valid key or version 13')
  );
}

/** Fills `frame` from a response head. `isBodiless`: the answer to a HEAD, which has a length but no body. */
export function frameResponse(head: Head, frame: Frame, isBodiless: boolean): boolean {
  reset(frame, head);
  if (!readFraming(head, frame)) return false;
  const { status } = head;
  const hasFraming = frame.framing !== Framing.none;
  if (isBodiless || status < 200 || status === 204 || status === 304) frame.framing = Framing.none;
  else if (!hasFraming) frame.framing = Framing.untilClose;
  if (frame.framing === Framing.length && frame.length === 0) frame.framing = Framing.none;
  if (frame.framing === Framing.untilClose) frame.keepAlive = false;
  return true;
}
