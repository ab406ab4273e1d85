// Talks to one repository at one registry: scheme, authorisation, redirects. registry-repository.ts speaks the distribution API on top of it.
// Must never send Authorization to another origin than the endpoint's own, whoever redirects there.
import type { Readable } from 'node:stream';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoints.ts';
import type { RegistriesFile } from './registries-file.ts';
import { answerFailure, isNoTls, RegistryFailure } from './registry-failure.ts';
import { requestToken } from './token.ts';
import type { TokenCache } from './token-cache.ts';
import { readWhole, Transport, type WireResponse } from './transport.ts';

const maxRedirects = 5;
const maxErrorBytes = 64 * 1024;

export interface SessionParts {
  endpoint: Endpoint;
  /** For this registry alone; a mirror gets `anonymous`. */
  credentials: Credentials;
  registries: RegistriesFile;
  tokens: TokenCache;
  signal?: AbortSignal | undefined;
}

export interface SessionRequest {
  method: string;
  /** Below the endpoint (`/v2/…`), or an address that the registry gave. */
  target: string | URL;
  headers?: Record<string, string>;
  body?: Buffer | Readable;
  /** Statuses that are no failure. */
  accept: readonly number[];
}

export class RegistrySession {
  readonly endpoint: Endpoint;
  readonly #parts: SessionParts;
  readonly #transports = new Map<string, Transport>();
  #origin: Promise<URL> | undefined;
  #challenges: Challenge[] = [];
  #scopes: readonly string[] = [];
  /** What the registry says about itself (`Server`); "" before the first answer. */
  serverName = '';

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.endpoint = parts.endpoint;
  }

  /** The scopes that tokens are asked for from now on. */
  useScopes(scopes: readonly string[]): void {
    this.#scopes = scopes;
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
  }

  /** Asks for `/v2/` once: which scheme the registry speaks and how it wants to be asked. */
  origin(): Promise<URL> {
    this.#origin ??= this.#discover().catch((error: unknown) => {
      this.#origin = undefined;
      throw error;
    });
    return this.#origin;
  }

  async request({ method, target, headers = {}, body, accept }: SessionRequest): Promise<WireResponse> {
    const origin = await this.origin();
    const url = typeof target === 'string' ? new URL(target, origin) : target;
    let response = await this.#send(method, url, headers, body);
    if (response.status === 401 && !(body !== undefined && !Buffer.isBuffer(body))) {
      response.body.resume();
      const fresh = parseChallenges(response.headers['www-authenticate']);
      if (fresh.length > 0) this.#challenges = fresh;
      this.#forgetToken(origin);
      response = await this.#send(method, url, headers, body);
    }
    if (accept.includes(response.status)) return response;
    const text = (await readWhole(response.body, maxErrorBytes, 'the answer')).toString('utf8');
    throw answerFailure(response.status, text, url);
  }

  /** A GET or HEAD that may be redirected, as blobs are to a store of their own. */
  async fetch(
    method: 'GET' | 'HEAD',
    path: string,
    headers: Record<string, string>,
    accept: readonly number[],
  ): Promise<WireResponse> {
    const origin = await this.origin();
    let target: string | URL = path;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const redirects = [301, 302, 303, 307, 308];
      const response = await this.request({ method, target, headers, accept: [...accept, ...redirects] });
      if (!redirects.includes(response.status)) return response;
      response.body.resume();
      target = this.resolveLocation(
        response.headers.location,
        typeof target === 'string' ? new URL(target, origin) : target,
      );
    }
    throw new AppError('bad_request', `registry "${this.endpoint.host}" redirects in a circle`);
  }

  /** An address the registry gave. From TLS nothing leads back to plain HTTP. */
  resolveLocation(location: string | undefined, from: URL): URL {
    let url: URL;
    try {
      url = new URL(location ?? '', from);
    } catch {
      throw new AppError('bad_request', `registry "${this.endpoint.host}" gives an address that is none`);
    }
    const isPlain = url.protocol === 'http:' && from.protocol === 'http:';
    if (location === undefined || (url.protocol !== 'https:' && !isPlain))
      throw new AppError(
        'forbidden',
        `registry "${this.endpoint.host}" redirects to "${url.protocol}//${url.host}", which is not safe`,
      );
    url.username = '';
    url.password = '';
    return url;
  }

  async #send(
    method: string,
    url: URL,
    headers: Record<string, string>,
    body: Buffer | Readable | undefined,
  ): Promise<WireResponse> {
    const origin = await this.origin();
    const authorization = url.origin === origin.origin ? await this.#authorization(origin) : undefined;
    const response = await this.#transportFor(url).send({
      method,
      url,
      headers: { ...headers, ...(authorization === undefined ? {} : { Authorization: authorization }) },
      ...(body === undefined ? {} : { body }),
      signal: this.#parts.signal,
    });
    if (url.origin === origin.origin) this.serverName = String(response.headers['server'] ?? '');
    return response;
  }

  async #discover(): Promise<URL> {
    const { host, schemes } = this.endpoint;
    for (const [index, scheme] of schemes.entries()) {
      const origin = new URL(`${scheme}://${host}/`);
      const url = new URL('/v2/', origin);
      try {
        const response = await this.#transportFor(url).send({
          method: 'GET',
          url,
          signal: this.#parts.signal,
        });
        const text = await readWhole(response.body, maxErrorBytes, 'the answer');
        if (response.status !== 200 && response.status !== 401)
          throw answerFailure(response.status, text.toString('utf8'), url);
        this.serverName = String(response.headers['server'] ?? '');
        if (response.status === 401) this.#challenges = parseChallenges(response.headers['www-authenticate']);
        return origin;
      } catch (error) {
        // Only a peer that plainly speaks no TLS is asked again without: a bad certificate is an answer.
        const next = index + 1 < schemes.length && error instanceof RegistryFailure && speaksNoTls(error);
        if (!next) throw error;
      }
    }
    throw new AppError('internal', `registry "${host}" has no scheme`);
  }

  async #authorization(origin: URL): Promise<string | undefined> {
    const { credentials, tokens } = this.#parts;
    const held = credentials.bearerToken();
    if (held !== undefined) return `Bearer ${held}`;
    const bearer = this.#challenges.find(({ scheme }) => scheme === 'bearer');
    if (!bearer) {
      const isBasic = this.#challenges.some(({ scheme }) => scheme === 'basic');
      return isBasic ? credentials.basicHeader() : undefined;
    }
    const key = this.#tokenKey(origin, bearer);
    const known = tokens.find(key);
    if (known !== undefined) return `Bearer ${known}`;
    const { token, expiresAtMs } = await requestToken({
      challenge: bearer.parameters,
      registry: origin,
      credentials,
      scopes: this.#scopes,
      transport: (url) => this.#transportFor(url),
      signal: this.#parts.signal,
    });
    tokens.keep(key, token, expiresAtMs);
    return `Bearer ${token}`;
  }

  #forgetToken(origin: URL): void {
    const bearer = this.#challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer) this.#parts.tokens.forget(this.#tokenKey(origin, bearer));
  }

  #tokenKey(origin: URL, { parameters }: Challenge): string {
    const { credentials } = this.#parts;
    return JSON.stringify([
      origin.origin,
      parameters['realm'],
      parameters['service'],
      this.#scopes,
      credentials.fingerprint(),
    ]);
  }

  /** Settings belong to a host: a redirect or a realm elsewhere gets none of the registry's leniency. */
  #transportFor(url: URL): Transport {
    const known = this.#transports.get(url.origin);
    if (known) return known;
    const { endpoint, registries } = this.#parts;
    const own = registries.get(url.host);
    const isSameHost = url.hostname === endpoint.host.replace(/:\d+$/, '');
    const settings = own
      ? { verifiesTls: !own.insecure, ca: own.ca }
      : isSameHost
        ? { verifiesTls: endpoint.verifiesTls, ca: endpoint.ca }
        : { verifiesTls: true, ca: '' };
    const transport = new Transport(settings);
    this.#transports.set(url.origin, transport);
    return transport;
  }
}

function speaksNoTls(failure: RegistryFailure): boolean {
  return isNoTls(failure.cause) || systemCode(failure.cause) === 'ECONNRESET';
}
