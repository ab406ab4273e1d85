// What the subcommands that talk to a running engine need of HTTP over its unix socket. Must never retry by itself.
import { type IncomingMessage, request } from 'node:http';
import { AppError, type ErrorCode, errorCodes, systemCode } from '@berth/kit/errors.ts';

const maxAnswerBytes = 64 * 1024 * 1024; // more is no answer

export class ApiClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** The parsed answer; undefined when it has no body. Throws what the engine said. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.open(method, path, body);
    const text = await textOf(response);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The answer's stream, when the status is a good one. Waits as long as the engine does: a pull or a stop takes its time. */
  async open(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asked = request(
      {
        socketPath: this.#socketPath,
        method,
        path,
        headers: {
          Host: 'engine',
          ...(text === ''
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
        },
      },
      resolve,
    );
    asked.on('error', (cause) => reject(this.#unreachable(cause)));
    asked.end(text);
    const response = await promise;
    const status = response.statusCode ?? 500;
    if (status < 400) return response;
    throw failureOf(status, await textOf(response));
  }

  #unreachable(cause: Error): AppError {
    const isAbsent = ['ENOENT', 'ECONNREFUSED'].includes(systemCode(cause) ?? '');
    return new AppError(
      'unavailable',
      isAbsent ? `no engine answers at "${this.#socketPath}"` : `the engine broke off: ${cause.message}`,
      { cause, ...(isAbsent ? { hint: 'start it, or name its socket with --socket' } : {}) },
    );
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new AppError('too_large', 'the answer of the engine is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function failureOf(status: number, text: string): AppError {
  let message = `the engine answered ${status}`;
  try {
    message = String((JSON.parse(text) as { message?: unknown }).message ?? message);
  } catch {
    // no JSON: something else listens there
  }
  const codes = Object.keys(errorCodes) as ErrorCode[];
  return new AppError(codes.find((code) => errorCodes[code].status === status) ?? 'internal', message);
}
