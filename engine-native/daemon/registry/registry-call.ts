// What a route of the registry is given and gives back, and the small things they share: answers, request bodies, pages.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { BlobStore } from '../content/blob-store.ts';
import type { Action } from './access.ts';
import { RegistryError } from './registry-error.ts';
import type { RepositoryStore } from './repository-store.ts';
import type { SigningKey } from './signing-key.ts';
import type { ProxiedRepositories, Upstream } from './upstream.ts';

export const idleLimitMs = 120_000; // a client that stalls in the middle of a layer frees its connection and its upload

export interface RegistryParts {
  blobs: BlobStore;
  repositories: RepositoryStore;
  key: SigningKey;
  /** The engine's own images, which are in no repository. */
  upstream: Upstream;
  proxy: ProxiedRepositories;
  /** Throws `no_space` when so many bytes more would go over the engine's quota. */
  makeRoom: (bytes: number) => Promise<void>;
}

export interface RegistryCall {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  /** Checked. Empty where the route has none. */
  name: string;
  /** The rest of the path: a digest, a tag, an upload; not checked. */
  rest: string;
  may: (action: Action, repository: string) => Promise<boolean>;
  /** Throws a challenge when the caller's token does not let it pull from there but a wider one would. */
  askToPull: (repository: string) => Promise<void>;
}

export interface RegistryRoute {
  methods: string[];
  /** Its groups are name and rest. */
  pattern: RegExp;
  /** What the caller must be allowed to do in the repository. */
  action: Action;
  handle: (call: RegistryCall) => Promise<void>;
}

export function answer(
  response: ServerResponse,
  status: number,
  headers: Record<string, string | number | string[]>,
  body?: unknown,
): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const length = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(text) };
  response.writeHead(status, { ...type, ...length, ...headers });
  response.end(text);
}

/** The whole body of a small request; 413 as soon as it is longer, or says that it will be. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLong = () =>
    new RegistryError('SIZE_INVALID', `the body is longer than ${maxBytes} bytes`, { status: 413 });
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLong();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bodyOf(request) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `n` and `last` of a listing, applied to sorted names. `more` is the query of the next page. */
export function pageOf(
  names: string[],
  query: URLSearchParams,
  maxNames: number,
): { names: string[]; more: string | undefined } {
  const asked = query.get('n');
  if (asked !== null && !/^\d{1,9}$/.test(asked))
    throw new RegistryError('UNSUPPORTED', '"n" must be a whole number', { status: 400 });
  const count = Math.min(asked === null ? maxNames : Number(asked), maxNames);
  const last = query.get('last') ?? '';
  const after = last === '' ? names : names.filter((name) => name > last);
  const page = after.slice(0, count);
  const end = page.at(-1);
  const hasMore = end !== undefined && after.length > page.length;
  return {
    names: page,
    more: hasMore ? new URLSearchParams({ n: String(count), last: end }).toString() : undefined,
  };
}

/**
 * The body as a stream of its own. Whoever stops reading it in the middle must not close the connection that the answer takes: the
 * rest is read and thrown away.
 */
export function bodyOf(request: IncomingMessage): Readable {
  const body = new Readable({
    read() {
      request.resume();
    },
    destroy(error, done) {
      request.off('data', take);
      request.resume();
      done(error);
    },
  });
  const take = (chunk: Buffer) => {
    if (!body.push(chunk)) request.pause();
  };
  request.on('data', take);
  const gone = () => body.destroy(new AppError('bad_request', 'the client left in the middle of its body'));
  request.on('end', () => body.push(null));
  request.on('error', gone);
  request.on('close', () => {
    if (!request.readableEnded) gone();
  });
  if (request.destroyed) gone(); // it left while its token was looked at
  return body;
}
