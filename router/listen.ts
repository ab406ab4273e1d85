// Accepts visitors on the public port, or on a socket inherited from the supervisor, and sweeps their deadlines.
// Started by start-router. A stop takes no new connection, lets requests in flight end within the limit, then closes.
import { createServer, type Server } from 'node:net';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { type AcceptedSocket, acceptSockets } from './accept-sockets.ts';
import { ClientConnection } from './client-connection.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { sweepConnection } from './sweep-connections.ts';
import { plainAddress, type TrustedPeers } from './trusted-peers.ts';

/** During a stop: how long a new connection may take to send its request. */
const firstRequestMs = 500;

export interface ListenOptions {
  host: string;
  port: number;
  /** A listening descriptor that the supervisor keeps, so that a restart loses no connection attempt. */
  fd?: number | undefined;
  trusted: TrustedPeers;
}

export class Listener {
  readonly #connections = new Set<ClientConnection>();
  readonly #parts: ProxyParts;
  readonly #options: ListenOptions;
  readonly #server: Server;
  #sweeper: NodeJS.Timeout | undefined;
  #sweptAt = performance.now();
  #isStopping = false;
  #allClosed: (() => void) | undefined;
  #port = 0;
  accepted = 0;
  refused = 0;

  constructor(parts: ProxyParts, options: ListenOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true });
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The port that visitors use: of the socket itself, which may be an inherited one. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    const { host, port, fd } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', (cause) => reject(listenError(cause, host, port)));
    // A deep backlog: a burst of visitors waits in the kernel instead of being refused.
    if (fd === undefined) this.#server.listen({ host, port, backlog: 4096 }, resolve);
    else this.#server.listen({ fd, backlog: 4096 }, resolve);
    await promise;
    acceptSockets(this.#server, (one) => this.#accept(one));
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : port;
    this.#server.on('error', () => {}); // a failed accept (no descriptors left) concerns one visitor, not the router
    this.#sweeper = setInterval(() => this.#sweep(), this.#parts.limits.sweepMs);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#server.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#allClosed = resolve;
    for (const connection of this.#connections) connection.stop();
    if (this.#connections.size === 0) resolve();
    const limit = setTimeout(resolve, this.#parts.limits.stopMs);
    await promise;
    clearTimeout(limit);
    clearInterval(this.#sweeper);
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(accepted: AcceptedSocket): void {
    const { socket } = accepted;
    if (this.#connections.size >= this.#parts.limits.clientConnections) {
      this.refused++;
      socket.destroy();
      return;
    }
    this.accepted++;
    const address = plainAddress(socket.remoteAddress);
    const peer = { address, isTrusted: this.#options.trusted.includes(address), port: this.port };
    const connection = new ClientConnection(
      accepted,
      this.#parts,
      peer,
      () => this.#isStopping,
      () => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#allClosed?.();
      },
    );
    this.#connections.add(connection);
  }

  #sweep(): void {
    const now = performance.now();
    const sinceLastMs = now - this.#sweptAt;
    this.#sweptAt = now;
    for (const connection of this.#connections) {
      sweepConnection(connection, this.#parts, now, sinceLastMs);
      // A visitor who connected just before the stop still gets an answer to the request that is on its way.
      const isUnused = !connection.exchange && connection.headSince === 0;
      if (this.#isStopping && isUnused && now - connection.activeAt > firstRequestMs) connection.endWith('');
    }
    this.#parts.pool.sweep(now);
  }
}

function listenError(cause: Error, host: string, port: number): AppError {
  const code = systemCode(cause);
  if (code === 'EADDRINUSE')
    return new AppError('conflict', `port ${port} on "${host}" is taken`, {
      hint: 'stop the other program or set BERTH_HTTP_PORT',
      cause,
    });
  if (code === 'EACCES')
    return new AppError('forbidden', `port ${port} on "${host}" needs more rights`, {
      hint: 'start as root or set BERTH_HTTP_PORT to 1024 or more',
      cause,
    });
  return new AppError('internal', `cannot listen on "${host}" port ${port}`, {
    detail: cause.message,
    cause,
  });
}
