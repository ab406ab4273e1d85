// The HTTP server of the engine, on its unix socket and for remote clients: finds the route, turns what it gives into JSON and what it throws into Docker's errors.
// Must never let one request's failure reach another, or the process.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { AppError, asAppError, systemCode } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { connectUnix } from '../runtime/frame-connection.ts';
import { compilePattern, type Matcher, type Reply, type Route, type UpgradeRoute } from './route.ts';

export const apiVersion = '1.47';
export const engineVersion = '0.1.0';
const serverName = `Berth-Engine/${engineVersion} (linux)`;

const headLimitMs = 15_000; // a client that never ends its request's head must not hold a connection

interface Compiled<T> {
  route: T;
  match: Matcher;
}

/** Asked before anything is touched: two daemons must never manage one set of containers. */
export async function refuseIfServed(socketPath: string): Promise<void> {
  const other = await connectUnix(socketPath, 500).catch(() => undefined);
  if (!other) return;
  other.destroy();
  throw new AppError('conflict', `an engine is already serving "${socketPath}"`, {
    hint: 'stop it first, or set BERTH_ENGINE_SOCKET',
  });
}

export class ApiServer {
  readonly #routes = new Map<string, Compiled<Route>[]>();
  readonly #upgrades: Compiled<UpgradeRoute>[];
  readonly #log: Logger;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(routes: Route[], upgrades: UpgradeRoute[], log: Logger) {
    this.#log = log;
    for (const route of routes) {
      const sameMethod = this.#routes.get(route.method) ?? [];
      sameMethod.push({ route, match: compilePattern(route.pattern) });
      this.#routes.set(route.method, sameMethod);
    }
    this.#upgrades = upgrades.map((route) => ({ route, match: compilePattern(route.pattern) }));
    // Waits and logs last as long as a container lives: no limit on a request as a whole.
    this.#server = createServer({
      requestTimeout: 0,
      headersTimeout: headLimitMs,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 60_000,
    });
    this.#server.on('request', (request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      void this.#upgrade(request, socket, head);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(socketPath: string): Promise<void> {
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 });
    rmSync(socketPath, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const previous = process.umask(0o177); // the socket is born with mode 0600
    this.#server.once('error', reject);
    this.#server.listen(socketPath, resolve);
    process.umask(previous);
    await promise;
    this.#server.off('error', reject);
    chmodSync(socketPath, 0o600);
  }

  /** Serves a connection that came in elsewhere; who it is was checked there. */
  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Api-Version', apiVersion);
    response.setHeader('Server', serverName);
    try {
      const { path, query } = splitUrl(request);
      const method = request.method ?? 'GET';
      for (const { route, match } of this.#routes.get(method) ?? []) {
        const params = match(path);
        if (params) return send(response, await route.handle({ request, response, params, query }));
      }
      throw unknownRoute(method, path);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  async #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const { path, query } = splitUrl(request);
      for (const { route, match } of this.#upgrades) {
        const params = match(path);
        if (params) return await route.handle({ request, socket, head, params, query });
      }
      throw new AppError('bad_request', `"${path}" cannot be upgraded`);
    } catch (error) {
      const { status, message } = describeError(error);
      const body = JSON.stringify({ message });
      socket.end(
        `HTTP/1.1 ${status} Error\r\nApi-Version: ${apiVersion}\r\nContent-Type: application/json\r\n` +
          `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
    }
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.destroyed || response.writableFinished) return; // its reader went away: nobody failed
    const { status, message } = describeError(error);
    if (status >= 500 && status !== 501 && status !== 503)
      this.#log.error(
        { err: error, method: request.method, path: request.url?.split('?')[0] },
        'request failed',
      );
    if (response.headersSent) {
      response.destroy(); // a stream that broke: its reader must see that it is not whole
      return;
    }
    // The connection stays open: a client that is still sending must be able to read why it was refused.
    send(response, { status, body: { message } });
  }
}

function send(response: ServerResponse, reply: Reply): void {
  if (!reply) return;
  if (reply.body === undefined) {
    response.writeHead(reply.status).end();
    return;
  }
  const text = `${JSON.stringify(reply.body)}\n`;
  response.writeHead(reply.status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

function splitUrl(request: IncomingMessage): { path: string; query: URLSearchParams } {
  const url = request.url ?? '/';
  const cut = url.indexOf('?');
  const full = cut < 0 ? url : url.slice(0, cut);
  const path = full.replace(/^\/v\d+\.\d+(?=\/)/, '');
  return { path, query: new URLSearchParams(cut < 0 ? '' : url.slice(cut + 1)) };
}

function describeError(error: unknown): { status: number; message: string } {
  const known =
    systemCode(error) === 'ENOSPC'
      ? new AppError('no_space', 'no space left on the disk of the engine', {
          hint: 'free some, then try again',
        })
      : asAppError(error);
  const message = known.hint === undefined ? known.message : `${known.message} (${known.hint})`;
  return { status: known.status, message };
}

function unknownRoute(method: string, path: string): AppError {
  return new AppError('unsupported', `this engine does not support ${method} ${path}`);
}
