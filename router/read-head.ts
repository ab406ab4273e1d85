// The strict parser of message heads: what it does not fully understand it refuses, because another parser may understand it differently.
// Called with the bytes of a connection; keeps offsets only. Must never accept a bare CR or LF, a NUL, a folded line or a space before a colon.
import { fieldBytes, methodBytes, targetBytes, tokenBytes } from './byte-classes.ts';
import { kindOf } from './header-kinds.ts';

const tab = 0x09;
const lf = 0x0a;
const cr = 0x0d;
const space = 0x20;
const colon = 0x3a;
const underscore = 0x5f;

/** More lines than any limit allows; a fixed size, because one instance serves all connections. */
const maxFields = 256;

/** Where each header stands, as offsets into `text`. One instance is filled again and again. */
export class Head {
  /** The head as latin1, from its first byte to the empty line's end. */
  text = '';
  minorVersion = 1;
  method = '';
  target = '';
  status = 0;
  /** Where the first header line starts in `text`. */
  firstField = 0;
  count = 0;
  readonly kinds: Uint8Array = new Uint8Array(maxFields);
  readonly lineStarts: Int32Array = new Int32Array(maxFields + 1);
  readonly nameEnds: Int32Array = new Int32Array(maxFields);
  readonly valueStarts: Int32Array = new Int32Array(maxFields);
  readonly valueEnds: Int32Array = new Int32Array(maxFields);
  /** Set when a parse returns `refused`: the answer's status and what is wrong. */
  problemStatus = 400;
  problem = '';

  name(field: number): string {
    return this.text.slice(this.lineStarts[field], this.nameEnds[field]);
  }

  value(field: number): string {
    return this.text.slice(this.valueStarts[field], this.valueEnds[field]);
  }
}

/** Results of a parse besides the offset after the head. */
export const incomplete = 0;
export const refused = -1;

export interface HeadLimits {
  headBytes: number;
  lineBytes: number;
  headerCount: number;
}

function refuse(head: Head, problem: string, status = 400): number {
  head.problem = problem;
  head.problemStatus = status;
  return refused;
}

/** Reads the request head at `from`; gives the offset after it, `incomplete` or `refused`. */
export function readRequestHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  head: Head,
): number {
  let at = from;
  // One empty line before a request is tolerated (RFC 9112 §2.2): old clients end a body with it.
  if (bytes[at] === cr && to - at === 1) return incomplete;
  if (bytes[at] === cr && bytes[at + 1] === lf) at += 2;
  const start = at;
  while (at < to && methodBytes[bytes[at] as number] === 1) at++;
  if (at === to) return at - start > 32 ? refuse(head, 'the method is too long') : incomplete;
  const methodEnd = at;
  if (methodEnd === start || methodEnd - start > 32 || bytes[at] !== space)
    return refuse(head, 'the request line does not begin with a method and a space');
  at++;
  const targetStart = at;
  while (at < to && targetBytes[bytes[at] as number] === 1) at++;
  if (at - start > limits.lineBytes) return refuse(head, 'the request line is too long', 414);
  if (at === to) return incomplete;
  const targetEnd = at;
  if (targetEnd === targetStart || bytes[at] !== space)
    return refuse(head, 'the request target holds a byte that is not allowed');
  const lineEnd = readVersion(bytes, at + 1, to, head);
  if (lineEnd <= 0) return lineEnd;
  const end = readFields(bytes, start, lineEnd, to, limits, head);
  if (end <= 0) return end;
  head.text = bytes.toString('latin1', start, end);
  head.method = head.text.slice(0, methodEnd - start);
  head.target = head.text.slice(targetStart - start, targetEnd - start);
  return end;
}

const versionText = Buffer.from('HTTP/1.');

/** Reads `HTTP/1.x` and the end of the line. */
function readVersion(bytes: Buffer, from: number, to: number, head: Head): number {
  for (let i = 0; i < 7; i++) {
    if (from + i >= to) return incomplete;
    if (bytes[from + i] !== versionText[i]) return refuseVersion(bytes, from, head);
  }
  if (from + 7 >= to) return incomplete;
  const minor = bytes[from + 7] as number;
  if (minor !== 0x30 && minor !== 0x31) return refuseVersion(bytes, from, head);
  head.minorVersion = minor - 0x30;
  if (from + 8 >= to) return incomplete;
  if (bytes[from + 8] !== cr) return refuse(head, 'the request line does not end after the version');
  if (from + 9 >= to) return incomplete;
  if (bytes[from + 9] !== lf) return refuse(head, 'a carriage return stands alone');
  return from + 10;
}

function refuseVersion(bytes: Buffer, from: number, head: Head): number {
  const isOtherVersion = /^HTTP\/\d/.test(bytes.toString('latin1', from, from + 6));
  return isOtherVersion
    ? refuse(head, 'the HTTP version is not 1.0 or 1.1', 505)
    : refuse(head, 'the request line does not end with an HTTP version');
}

/** Reads the response head at `from`; gives the offset after it, `incomplete` or `refused`. */
export function readResponseHead(
  bytes: Buffer,
  from: number,
  to: number,
  limits: HeadLimits,
  head: Head,
): number {
  for (let i = 0; i < 7; i++) {
    if (from + i >= to) return incomplete;
    if (bytes[from + i] !== versionText[i]) return refuse(head, 'the answer is not HTTP/1');
  }
  if (to - from < 13) return incomplete;
  const minor = (bytes[from + 7] as number) - 0x30;
  if ((minor !== 0 && minor !== 1) || bytes[from + 8] !== space)
    return refuse(head, 'the HTTP version of the answer is not 1.0 or 1.1');
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = (bytes[from + i] as number) - 0x30;
    if (digit < 0 || digit > 9) return refuse(head, 'the status is not a number');
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) return refuse(head, 'the status is out of range');
  let at = from + 12;
  if (bytes[at] !== space && bytes[at] !== cr) return refuse(head, 'the status has more than three digits');
  while (at < to && fieldBytes[bytes[at] as number] === 1) at++;
  if (at - from > limits.lineBytes) return refuse(head, 'the status line is too long');
  if (at + 1 >= to) return incomplete;
  if (bytes[at] !== cr || bytes[at + 1] !== lf)
    return refuse(head, 'the status line holds a byte that is not allowed');
  const end = readFields(bytes, from, at + 2, to, limits, head);
  if (end <= 0) return end;
  head.minorVersion = minor;
  head.status = status;
  head.text = bytes.toString('latin1', from, end);
  return end;
}

/** Reads header lines up to and with the empty one; gives the offset after it. */
function readFields(
  bytes: Buffer,
  start: number,
  from: number,
  to: number,
  limits: HeadLimits,
  head: Head,
): number {
  const stop = Math.min(to, start + limits.headBytes);
  head.firstField = from - start;
  head.count = 0;
  let at = from;
  while (at < stop) {
    if (bytes[at] === cr) {
      if (at + 1 >= stop) break;
      if (bytes[at + 1] !== lf) return refuse(head, 'a carriage return stands alone');
      head.lineStarts[head.count] = at - start;
      return at + 2;
    }
    const next = readField(bytes, start, at, stop, head);
    if (next === refused) return refused;
    if (next === incomplete) break;
    if (++head.count > limits.headerCount || head.count >= maxFields)
      return refuse(head, 'there are too many headers', 431);
    at = next;
  }
  return to - start >= limits.headBytes ? refuse(head, 'the head is too long', 431) : incomplete;
}

/** Reads one header line into the place `head.count`; gives the offset of the next line. */
function readField(bytes: Buffer, start: number, from: number, stop: number, head: Head): number {
  let at = from;
  let hasUnderscore = false;
  while (at < stop && tokenBytes[bytes[at] as number] === 1) {
    if (bytes[at] === underscore) hasUnderscore = true;
    at++;
  }
  if (at === stop) return incomplete;
  if (bytes[at] !== colon || at === from)
    return refuse(head, 'a header name is empty or holds a byte that is not allowed');
  const nameEnd = at;
  do at++;
  while (at < stop && (bytes[at] === space || bytes[at] === tab));
  const valueStart = at;
  while (at < stop && fieldBytes[bytes[at] as number] === 1) at++;
  if (at === stop) return incomplete;
  if (bytes[at] !== cr) return refuse(head, 'a header value holds a byte that is not allowed');
  if (at + 1 === stop) return incomplete;
  if (bytes[at + 1] !== lf) return refuse(head, 'a carriage return stands alone');
  const next = at + 2;
  while (at > valueStart && (bytes[at - 1] === space || bytes[at - 1] === tab)) at--;
  const field = head.count;
  head.kinds[field] = kindOf(bytes, from, nameEnd, hasUnderscore);
  head.lineStarts[field] = from - start;
  head.nameEnds[field] = nameEnd - start;
  head.valueStarts[field] = valueStart - start;
  head.valueEnds[field] = at - start;
  return next;
}
