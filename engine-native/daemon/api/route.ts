// What a route is, and how its pattern matches a path. `:name` takes one segment, `*name` one or more (image names hold slashes).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from '@berth/kit/errors.ts';

export interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  params: Record<string, string>;
  query: URLSearchParams;
}

/** undefined: the handler has answered by itself. */
export type Reply = { status: number; body?: unknown } | undefined;

export interface Route {
  method: string;
  pattern: string;
  handle: (call: Call) => Promise<Reply> | Reply;
}

export interface UpgradeCall {
  request: IncomingMessage;
  socket: Socket;
  /** Bytes that came right behind the request's head. */
  head: Buffer;
  params: Record<string, string>;
  query: URLSearchParams;
}

export interface UpgradeRoute {
  pattern: string;
  /** Throws before it has written anything; afterwards the socket is its own. */
  handle: (call: UpgradeCall) => Promise<void>;
}

export type Matcher = (path: string) => Record<string, string> | undefined;

export function compilePattern(pattern: string): Matcher {
  const source = pattern
    .split('/')
    .map((part) => {
      if (part.startsWith(':')) return `(?<${part.slice(1)}>[^/]+)`;
      return part.startsWith('*') ? `(?<${part.slice(1)}>.+)` : part.replaceAll('.', '\\.');
    })
    .join('/');
  const regexp = new RegExp(`^${source}$`);
  return (path) => {
    const match = regexp.exec(path);
    if (!match) return undefined;
    const groups = Object.entries(match.groups ?? {});
    return Object.fromEntries(groups.map(([name, value]) => [name, decodeSegment(value)]));
  };
}

function decodeSegment(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new AppError('bad_request', `"${raw}" is not a well-formed path`);
  }
}

/** A parameter that the pattern promises. */
export function param(call: { params: Record<string, string> }, name: string): string {
  return call.params[name] ?? '';
}

/** Docker's clients write booleans as 1, true, 0, false or nothing. */
export function isSet(query: URLSearchParams, name: string, fallback = false): boolean {
  const value = query.get(name);
  if (value === null || value === '') return fallback;
  return !['0', 'false', 'no', 'none'].includes(value.toLowerCase());
}

export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === '') return undefined;
  const number = Number(value);
  if (!Number.isFinite(number)) throw new AppError('bad_request', `"${name}" must be a number`);
  return number;
}

const maxBodyBytes = 4 * 1024 * 1024; // a create request with its environment; anything longer is no request

export async function readJsonBody(request: AsyncIterable<Buffer>): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new AppError('too_large', `the body is longer than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return parseBody(Buffer.concat(chunks));
}

export function parseBody(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new AppError('bad_request', 'the body is not JSON');
  }
}

/** Aborts when the client has gone: what it waited for is not worth finishing. */
export function clientGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.on('close', () => controller.abort());
  return controller.signal;
}
