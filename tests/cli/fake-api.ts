// A small public API for the CLI's tests: routes are given by each test, requests are kept.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';

export interface Asked {
  method: string;
  path: string;
  body: unknown;
}

export type Route = (asked: Asked, response: ServerResponse) => unknown;

/** Answers the token "good" as ada. A route's result is sent as JSON, an array of lines with lines(). */
export class FakeApi {
  readonly asked: Asked[] = [];
  readonly routes = new Map<string, Route>();
  onUpgrade: (path: string, socket: Duplex) => void = (_path, socket) => socket.destroy();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        const known = error instanceof AppError ? error : new AppError('internal', String(error));
        response.writeHead(known.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(known.toBody()));
      });
    });
    this.#server.on('upgrade', (request, socket: Duplex) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: berth-stream\r\n\r\n',
      );
      this.onUpgrade(request.url ?? '', socket);
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(0, '127.0.0.1', resolve);
    await promise;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
    const asked = { method: request.method ?? '', path: request.url ?? '', body };
    this.asked.push(asked);
    if (request.headers.authorization !== 'Bearer good')
      throw new AppError('unauthorized', 'the token is not valid');
    const key = `${asked.method} ${asked.path.split('?')[0]}`;
    const route = this.routes.get(key);
    if (!route && key === 'GET /v1/whoami') return json(response, { user: 'ada', admin: true });
    if (!route) throw new AppError('not_found', `nothing at "${key}"`);
    const result = await route(asked, response);
    if (!response.writableEnded && result !== undefined) json(response, result);
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

export function lines(response: ServerResponse, values: unknown[]): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for (const value of values) response.write(ndjsonLine(value));
  response.end();
}
