// The public API over http or https, as commands use it: JSON, streams of lines, upgrades. One connection is kept for all calls.
// Must never put the token anywhere but in its header.
import type { ClientRequest, Agent as HttpAgent, IncomingMessage, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, fromErrorBody, isErrorBody, systemCode } from '@berth/kit/errors.ts';
import { readNdjson } from '@berth/kit/ndjson.ts';

/** A server that does not begin its answer within this is reported instead of waited for. */
const answerLimitMs = 60_000;

type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
type Send = (url: URL, options: RequestOptions) => ClientRequest;

export class ApiClient {
  readonly server: string;
  readonly #token: string;
  readonly #agent: HttpAgent;
  readonly #send: Send;

  private constructor(server: string, token: string, agent: HttpAgent, send: Send) {
    this.server = server;
    this.#token = token;
    this.#agent = agent;
    this.#send = send;
  }

  static async connect(server: string, token: string): Promise<ApiClient> {
    if (server.startsWith('https:')) {
      const { Agent, request } = await import('node:https');
      return new ApiClient(server, token, new Agent({ keepAlive: true }), request);
    }
    const { Agent, request } = await import('node:http');
    return new ApiClient(server, token, new Agent({ keepAlive: true }), request);
  }

  get<T>(path: string): Promise<T> {
    return this.call('GET', path);
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#open(method, path, body);
    const text = await readAll(response);
    if ((response.statusCode ?? 0) >= 400) throw this.#error(response, text);
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch {
      throw new AppError('unavailable', `${this.server} does not answer like a Berth server`, {
        hint: 'check the URL: berth login --server URL',
      });
    }
  }

  /** Each JSON line of an answer, as it comes. */
  async *lines<T>(path: string, signal?: AbortSignal): AsyncGenerator<T> {
    yield* this.#lines<T>(await this.#open('GET', path, undefined, signal));
  }

  /** Sends a stream and gives each JSON line of the answer, which may also come while it is being sent: then the rest stays here. */
  async *upload<T>(path: string, type: string, body: Body): AsyncGenerator<T> {
    const headers = { ...this.#headers(), 'content-type': type };
    const sent = this.#send(new URL(path, this.server), { method: 'POST', headers, agent: false });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    let limit: NodeJS.Timeout | undefined;
    sent.on('response', (response) => {
      clearTimeout(limit);
      resolve(response);
    });
    // an answer that is there already says more than the connection that broke behind it
    sent.on('error', (cause) => reject(this.#unreachable(cause)));
    try {
      const feeding = feed(body, sent, promise);
      feeding.then(() => {
        limit = setTimeout(() => sent.destroy(this.#silent()), answerLimitMs);
      }, reject);
      yield* this.#lines<T>(await promise);
    } finally {
      clearTimeout(limit);
      sent.destroy();
    }
  }

  async *#lines<T>(response: IncomingMessage): AsyncGenerator<T> {
    if ((response.statusCode ?? 0) >= 400) throw this.#error(response, await readAll(response));
    try {
      for await (const line of readNdjson(response)) {
        if (isErrorBody(line)) throw fromErrorBody(line); // it failed after the answer had begun
        yield line as T;
      }
    } catch (cause) {
      throw cause instanceof AppError
        ? cause
        : new AppError('unavailable', `the connection to ${this.server} broke`, { cause });
    } finally {
      response.destroy();
    }
  }

  /** Switches a connection to another protocol; gives the bare connection and what came behind the answer's head. */
  async upgrade(path: string, protocol: string): Promise<{ socket: Duplex; head: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ socket: Duplex; head: Buffer }>();
    const headers = { ...this.#headers(), connection: 'Upgrade', upgrade: protocol };
    const sent = this.#send(new URL(path, this.server), { method: 'GET', headers, agent: false });
    sent.setTimeout(answerLimitMs, () => sent.destroy(this.#silent()));
    sent.on('upgrade', (_response, socket, head) => {
      socket.setTimeout(0);
      resolve({ socket, head });
    });
    sent.on('response', (response) => {
      readAll(response).then((text) => reject(this.#error(response, text)), reject);
    });
    sent.on('error', (cause) => reject(this.#unreachable(cause)));
    sent.end();
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}`, accept: 'application/json', 'user-agent': 'berth-cli' };
  }

  async #open(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers: Record<string, string | number> = this.#headers();
    if (payload) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = payload.length;
    }
    const options = { method, headers, agent: this.#agent, ...(signal ? { signal } : {}) };
    const sent = this.#send(new URL(path, this.server), options);
    const limit = setTimeout(() => sent.destroy(this.#silent()), answerLimitMs);
    sent.on('response', (response) => {
      clearTimeout(limit);
      resolve(response);
    });
    sent.on('error', (cause) => {
      clearTimeout(limit);
      reject(this.#unreachable(cause));
    });
    sent.end(payload);
    return promise;
  }

  #silent(): AppError {
    return new AppError('timeout', `${this.server} did not answer within ${answerLimitMs / 1000} s`);
  }

  #unreachable(cause: Error): AppError {
    if (cause instanceof AppError) return cause;
    return new AppError(
      'unavailable',
      `cannot reach ${this.server} (${systemCode(cause) ?? cause.message})`,
      {
        hint: 'is the platform up? on its machine: npm run status',
        cause,
      },
    );
  }

  #error(response: IncomingMessage, text: string): AppError {
    const status = response.statusCode ?? 0;
    try {
      const body: unknown = JSON.parse(text);
      if (isErrorBody(body)) {
        const error = fromErrorBody(body);
        if (error.code !== 'unauthorized' || error.hint !== undefined) return error;
        return new AppError('unauthorized', error.message, { hint: `berth login --server ${this.server}` });
      }
    } catch {
      // not JSON: the status says it
    }
    const code =
      status === 401
        ? 'unauthorized'
        : status === 404
          ? 'not_found'
          : status >= 500
            ? 'unavailable'
            : 'internal';
    return new AppError(code, `${this.server} answered ${status}`, {
      hint: 'is this the URL of a Berth server?',
    });
  }
}

/** Ends early when the answer comes first. */
async function feed(body: Body, into: ClientRequest, answer: Promise<unknown>): Promise<void> {
  let isAnswered = false;
  const stopped = answer.then(
    () => {
      isAnswered = true;
    },
    () => {
      isAnswered = true;
    },
  );
  for await (const chunk of body) {
    if (isAnswered) return;
    if (into.write(chunk)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    into.once('drain', resolve);
    await Promise.race([promise, stopped]);
  }
  if (!isAnswered) into.end();
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
