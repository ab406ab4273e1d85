// Which headers the router understands, found without making a string of the name. Used by the head parser.
import { foldedBytes } from './byte-classes.ts';

export const Kind = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  expect: 6,
  /** Hop-by-hop headers that are always removed. */
  hop: 7,
  /** X-Forwarded-*: kept only from trusted proxies. */
  forwarded: 8,
  forwardedFor: 9,
  forwardedProto: 10,
  forwardedPort: 11,
  requestId: 12,
  requestStart: 13,
  accept: 14,
  webSocketKey: 15,
  webSocketVersion: 16,
  webSocketAccept: 17,
  keepAlive: 18,
  /** A name that an app could mistake for one of the above ("content_length"): never passed on. */
  lookalike: 19,
} as const;

const known: Record<string, number> = {
  host: Kind.host,
  'content-length': Kind.contentLength,
  'transfer-encoding': Kind.transferEncoding,
  connection: Kind.connection,
  upgrade: Kind.upgrade,
  expect: Kind.expect,
  te: Kind.hop,
  trailer: Kind.hop,
  'proxy-connection': Kind.hop,
  'http2-settings': Kind.hop,
  'keep-alive': Kind.keepAlive,
  forwarded: Kind.forwarded,
  'x-real-ip': Kind.forwarded,
  'x-forwarded-for': Kind.forwardedFor,
  'x-forwarded-proto': Kind.forwardedProto,
  'x-forwarded-port': Kind.forwardedPort,
  'x-request-id': Kind.requestId,
  'x-request-start': Kind.requestStart,
  accept: Kind.accept,
  'sec-websocket-key': Kind.webSocketKey,
  'sec-websocket-version': Kind.webSocketVersion,
  'sec-websocket-accept': Kind.webSocketAccept,
};

interface Candidate {
  name: Uint8Array;
  kind: number;
}

/** Candidates by length and first letter; at most two share a place. */
const places: Candidate[][] = [];
const longestName = 32;
for (const [name, kind] of Object.entries(known)) {
  const place = name.length * 32 + (name.charCodeAt(0) & 31);
  places[place] = [...(places[place] ?? []), { name: Buffer.from(name), kind }];
}
for (let place = 0; place < longestName * 32; place++) places[place] ??= [];

const forwardedPrefix = Buffer.from('x-forwarded-');

function startsWith(bytes: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++)
    if (foldedBytes[bytes[from + i] as number] !== (name[i] as number)) return false;
  return true;
}

/** The kind of the header named by bytes[from, to); the name must already be a token. */
export function kindOf(bytes: Uint8Array, from: number, to: number, hasUnderscore: boolean): number {
  const length = to - from;
  let kind: number = Kind.other;
  if (length < longestName) {
    const place = length * 32 + ((foldedBytes[bytes[from] as number] as number) & 31);
    for (const candidate of places[place] as Candidate[])
      if (startsWith(bytes, from, candidate.name)) kind = candidate.kind;
  }
  if (kind === Kind.other && length > forwardedPrefix.length && startsWith(bytes, from, forwardedPrefix))
    kind = Kind.forwarded;
  return hasUnderscore && kind !== Kind.other ? Kind.lookalike : kind;
}
