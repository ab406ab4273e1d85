// One HTTP exchange with one host: TLS by the operator's settings, limits on every wait. Used by registry-session.ts and token.ts.
// Must never follow a redirect or add a header by itself: who may see a credential is decided above.
import { readFileSync } from 'node:fs';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import tls from 'node:tls';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { networkFailure } from './registry-failure.ts';

const connectLimitMs = 15_000; // a host that swallows packets must fail the pull, not hang it
const idleLimitMs = 60_000; // so must one that stops in the middle of a body

export interface TlsSettings {
  verifiesTls: boolean;
  ca: string;
}

export interface WireRequest {
  method: string;
  url: URL;
  headers?: Record<string, string>;
  /** A stream needs a Content-Length among the headers. */
  body?: Buffer | Readable;
  signal?: AbortSignal | undefined;
}

export interface WireResponse {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

export class Transport {
  readonly #tls: TlsSettings;
  #plainAgent: http.Agent | undefined;
  #tlsAgent: https.Agent | undefined;

  constructor(settings: TlsSettings) {
    this.#tls = settings;
  }

  async send({ method, url, headers = {}, body, signal }: WireRequest): Promise<WireResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<WireResponse>();
    const options = {
      method,
      headers: { 'User-Agent': 'berth-engine', ...headers },
      ...(signal ? { signal } : {}),
    };
    const request =
      url.protocol === 'https:'
        ? https.request(url, { ...options, agent: this.#secureAgent() })
        : http.request(url, { ...options, agent: this.#insecureAgent() });
    const connecting = setTimeout(() => request.destroy(timeoutError('connect')), connectLimitMs);
    request.on('socket', (socket) => {
      const ready = () => clearTimeout(connecting);
      if (socket.connecting) socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', ready);
      else ready();
    });
    request.setTimeout(idleLimitMs, () => request.destroy(timeoutError('answer')));
    request.on('response', (response) => {
      clearTimeout(connecting);
      // A body whose reader has gone away breaks too; its error reaches whoever still reads it.
      response.on('error', () => {});
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
    });
    request.on('error', (error) => {
      clearTimeout(connecting);
      reject(networkFailure(error, method, url));
    });
    if (body === undefined || Buffer.isBuffer(body)) request.end(body);
    else {
      body.on('error', (error) => request.destroy(error));
      request.on('close', () => body.destroy());
      body.pipe(request);
    }
    return promise;
  }

  close(): void {
    this.#plainAgent?.destroy();
    this.#tlsAgent?.destroy();
  }

  #insecureAgent(): http.Agent {
    this.#plainAgent ??= new http.Agent({ keepAlive: true });
    return this.#plainAgent;
  }

  #secureAgent(): https.Agent {
    this.#tlsAgent ??= new https.Agent({
      keepAlive: true,
      rejectUnauthorized: this.#tls.verifiesTls,
      secureContext: secureContextFor(this.#tls.ca),
    } as https.AgentOptions);
    return this.#tlsAgent;
  }
}

function timeoutError(what: string): Error {
  return Object.assign(new Error(`no ${what} in time`), { code: 'ETIMEDOUT' });
}

/** Node's own authorities, those of the machine (a company's CA is installed there) and the operator's file. */
function secureContextFor(caFile: string): tls.SecureContext {
  const authorities = new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system')]);
  if (caFile !== '') authorities.add(readCa(caFile));
  return tls.createSecureContext({ ca: [...authorities] });
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new AppError('invalid', `the CA file "${path}" cannot be read: ${systemCode(cause)}`, {
      hint: 'see "ca" in the registries file',
      cause,
    });
  }
}

/** A body as a whole; one beyond `maxBytes` is refused before it is kept. */
export async function readWhole(body: IncomingMessage, maxBytes: number, what: string): Promise<Buffer> {
  const tooLarge = () => {
    body.destroy();
    return new AppError('too_large', `${what} is larger than ${maxBytes} bytes`);
  };
  if (Number(body.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
