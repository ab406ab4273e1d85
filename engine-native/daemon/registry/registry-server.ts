// The registry's HTTP server: finds the route, asks the authority, answers failures as the distribution spec writes them. Made by
// start-registry.ts. Must never let one request's failure reach another, nor hold more of a body than a buffer.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@berth/kit/logging.ts';
import type { Authority } from './authority.ts';
import { blobRoutes } from './blob-routes.ts';
import { listingRoutes } from './listing-routes.ts';
import { manifestRoutes } from './manifest-routes.ts';
import { answer, idleLimitMs, type RegistryParts, type RegistryRoute } from './registry-call.ts';
import { describeFailure, RegistryError } from './registry-error.ts';
import { checkName } from './repository-name.ts';
import { uploadRoutes } from './upload-routes.ts';
import type { ProxiedRepositories } from './upstream.ts';

export const registryServerName = 'Berth-Registry/0.1.0';
const drainLimitMs = 5000; // a refused client may go on sending so long, to be able to read why
const maxConnections = 1024;

export interface TlsFiles {
  cert: Buffer;
  key: Buffer;
}

export class RegistryServer {
  readonly #routes: RegistryRoute[];
  readonly #authority: Authority;
  readonly #proxy: ProxiedRepositories;
  readonly #log: Logger;
  readonly #server: Server | TlsServer;

  constructor(parts: RegistryParts, authority: Authority, log: Logger, tls: TlsFiles | undefined) {
    // Uploads first: their addresses look like blobs.
    this.#routes = [
      ...uploadRoutes(parts),
      ...blobRoutes(parts),
      ...manifestRoutes(parts),
      ...listingRoutes(parts),
    ];
    this.#authority = authority;
    this.#proxy = parts.proxy;
    this.#log = log;
    // A layer may take hours on a slow line: only silence is limited, not the request as a whole.
    const limits = { requestTimeout: 0, headersTimeout: 20_000, keepAliveTimeout: 75_000 };
    this.#server = tls ? createTlsServer({ ...limits, ...tls, minVersion: 'TLSv1.2' }) : createServer(limits);
    this.#server.setTimeout(idleLimitMs);
    this.#server.maxConnections = maxConnections;
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response);
    });
  }

  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(port, host, resolve);
    await promise;
    this.#server.off('error', reject);
    return (this.#server.address() as AddressInfo).port;
  }

  /** A renewed certificate, for the connections to come. */
  renewTls(tls: TlsFiles): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext({ ...tls, minVersion: 'TLSv1.2' });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
    response.setHeader('Server', registryServerName);
    try {
      await this.#route(request, response);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = splitUrl(request.url ?? '/');
    const method = request.method ?? 'GET';
    if (path === '/token' && (method === 'GET' || method === 'POST'))
      return answer(
        response,
        200,
        { 'Cache-Control': 'no-store' },
        await this.#authority.issueToken(request, query),
      );
    const caller = this.#authority.callerOf(request);
    if (path === '/v2/' || path === '/v2') {
      this.#authority.requireAny(request, caller);
      return answer(response, 200, {}, {});
    }
    const { route, name, rest } = this.#find(method, path);
    const isCatalog = name === '';
    if (isCatalog) this.#authority.requireCatalog(request, caller);
    else this.#authority.require(request, caller, route.action, checkName(name));
    if (route.action !== 'pull' && this.#proxy.isProxied(name))
      throw new RegistryError(
        'UNSUPPORTED',
        `"${name}" stands for another registry's repository: push it there`,
      );
    await route.handle({
      request,
      response,
      query,
      name,
      rest,
      may: async (action, repository) =>
        isCatalog
          ? this.#authority.mayList(caller, repository)
          : this.#authority.may(caller, action, repository),
      askToPull: (repository) => this.#authority.askToPull(request, caller, name, repository),
    });
  }

  #find(method: string, path: string): { route: RegistryRoute; name: string; rest: string } {
    let isKnown = false;
    for (const route of this.#routes) {
      const match = route.pattern.exec(path);
      if (!match) continue;
      isKnown = true;
      if (route.methods.includes(method))
        return { route, name: decode(match[1] ?? ''), rest: decode(match[2] ?? '') };
    }
    if (isKnown) throw new RegistryError('UNSUPPORTED', `${method} is not supported here`);
    throw new RegistryError('NAME_UNKNOWN', 'this address is none of the registry');
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const { status, headers, body } = describeFailure(error);
    if (request.destroyed && !request.complete) return void response.destroy(); // the client left in the middle of its body
    if (status >= 500)
      this.#log.error(
        { err: error, method: request.method, path: request.url?.split('?')[0] },
        'registry request failed',
      );
    if (response.headersSent) return void response.destroy(); // its reader must see that it is not whole
    answer(response, status, headers, body);
    if (request.complete) return;
    // Not closed at once: that would take the answer away from a client that is still sending.
    request.resume();
    setTimeout(() => {
      if (!request.complete) request.destroy();
    }, drainLimitMs).unref();
  }
}

function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const cut = url.indexOf('?');
  return {
    path: cut < 0 ? url : url.slice(0, cut),
    query: new URLSearchParams(cut < 0 ? '' : url.slice(cut + 1)),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RegistryError('NAME_INVALID', 'the address is not well-formed');
  }
}
