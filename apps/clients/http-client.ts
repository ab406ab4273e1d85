// A small JSON-over-HTTP client on node:http for loopback and unix sockets, with keep-alive. All clients of our own parts are built on it.
// Must never retry a request by itself: callers know what is safe to repeat.
import { Agent, type IncomingMessage, request } from 'node:http';
import { AppError, asAppError, fromErrorBody, isErrorBody, systemCode } from '@berth/kit/errors.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';

export interface HttpTarget {
  /** A unix socket path, or a base URL such as `http://127.0.0.1:7070`. */
  socketPath?: string;
  baseUrl?: string;
  headers?: Record<string, string>;
  /** Name for errors: "the controller", "the engine". */
  name: string;
  /** Connections at once; more requests wait. Default 64: raise it for a peer that holds streams open. */
  maxSockets?: number;
}

export interface CallOptions {
  body?: unknown;
  /** A raw body instead of JSON, with its own content type. */
  stream?: AsyncIterable<Uint8Array>;
  contentType?: string;
  headers?: Record<string, string>;
  /** Limit until the response headers are here: a peer that hangs must not hang us. Default 30 s; 0 = none. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

export class HttpClient {
  readonly #target: HttpTarget;
  readonly #agent: Agent;

  constructor(target: HttpTarget) {
    this.#target = target;
    this.#agent = new Agent({ keepAlive: true, maxSockets: target.maxSockets ?? 64, scheduling: 'lifo' });
  }

  /** Sends a request and gives the response, whatever its status. */
  async open(method: string, path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const { socketPath, baseUrl, name } = this.#target;
    const payload = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const headers: Record<string, string | number> = { ...this.#target.headers, ...options.headers };
    if (payload) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = payload.length;
    } else if (options.stream) headers['content-type'] = options.contentType ?? 'application/octet-stream';
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const common = {
      method,
      headers,
      agent: this.#agent,
      ...(options.signal ? { signal: options.signal } : {}),
    };
    const outgoing = socketPath
      ? request({ ...common, socketPath, path })
      : request(new URL(path, baseUrl), common);
    const timeoutMs = options.timeoutMs ?? 30_000;
    const timer =
      timeoutMs > 0
        ? setTimeout(
            () => outgoing.destroy(new AppError('timeout', `${name} did not answer in ${timeoutMs} ms`)),
            timeoutMs,
          )
        : undefined;
    let isAnswered = false;
    outgoing.on('response', (response) => {
      clearTimeout(timer);
      isAnswered = true;
      // Refused before the body was sent: the rest is not, and the connection cannot be used again.
      if (!outgoing.writableEnded) response.on('close', () => outgoing.destroy());
      resolve(response);
    });
    outgoing.on('error', (cause) => {
      clearTimeout(timer);
      if (cause instanceof AppError) return reject(cause);
      const refused = ['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'].includes(systemCode(cause) ?? '');
      reject(
        refused
          ? new AppError('unavailable', `${name} cannot be reached`, { detail: cause.message, cause })
          : asAppError(cause),
      );
    });
    if (options.stream)
      await pipeBody(options.stream, outgoing, () => isAnswered).catch((error) =>
        outgoing.destroy(asAppError(error)),
      );
    else outgoing.end(payload);
    return promise;
  }

  /** Sends a request and gives the parsed JSON body; an error status throws the AppError that the peer sent. */
  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const response = await this.open(method, path, options);
    const body = await readBody(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw toError(this.#target.name, status, body);
    return (body === '' ? undefined : JSON.parse(body)) as T;
  }

  /** Sends a request and yields each JSON line of the answer until it ends. */
  async *lines(method: string, path: string, options: CallOptions = {}): AsyncGenerator<unknown> {
    const response = await this.open(method, path, options);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw toError(this.#target.name, status, await readBody(response));
    try {
      yield* readNdjson(response);
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      throw new AppError('unavailable', `the stream from ${this.#target.name} broke`, { cause });
    } finally {
      response.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function pipeBody(
  stream: AsyncIterable<Uint8Array>,
  outgoing: import('node:http').ClientRequest,
  isAnswered: () => boolean,
): Promise<void> {
  for await (const chunk of stream) {
    if (outgoing.destroyed || isAnswered()) return;
    if (!outgoing.write(chunk)) await new Promise<void>((done) => onceEither(outgoing, done));
  }
  if (!isAnswered()) outgoing.end();
}

function onceEither(outgoing: import('node:http').ClientRequest, done: () => void): void {
  const finish = () => {
    outgoing.off('drain', finish);
    outgoing.off('close', finish);
    outgoing.off('response', finish);
    done();
  };
  outgoing.on('drain', finish);
  outgoing.on('response', finish);
  outgoing.on('close', finish);
}

export async function readBody(response: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function toError(name: string, status: number, body: string): AppError {
  try {
    const parsed: unknown = JSON.parse(body);
    if (isErrorBody(parsed)) return fromErrorBody(parsed);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed)
      return new AppError(codeForStatus(status), String(parsed.message));
  } catch {
    // not JSON: fall through to the plain text
  }
  return new AppError(codeForStatus(status), `${name} answered ${status}`, { detail: body.slice(0, 500) });
}

function codeForStatus(
  status: number,
): 'not_found' | 'conflict' | 'bad_request' | 'internal' | 'unavailable' | 'unauthorized' | 'no_space' {
  if (status === 401) return 'unauthorized';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 503) return 'unavailable';
  if (status === 507) return 'no_space';
  return status < 500 ? 'bad_request' : 'internal';
}
