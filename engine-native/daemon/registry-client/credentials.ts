// Credentials of one request (Docker's X-Registry-Auth header, the body of POST /auth). Kept in memory for that request only.
// Must never be printed: the secret parts have no enumerable field.
import { createHash } from 'node:crypto';
import { AppError } from '@berth/kit/errors.ts';
import { defaultDomain } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';

const maxHeader = 64 * 1024;

export class Credentials {
  readonly #username: string;
  readonly #password: string;
  readonly #identityToken: string;
  readonly #registryToken: string;

  constructor(secret: {
    username?: string;
    password?: string;
    identityToken?: string;
    registryToken?: string;
  }) {
    this.#username = secret.username ?? '';
    this.#password = secret.password ?? '';
    this.#identityToken = secret.identityToken ?? '';
    this.#registryToken = secret.registryToken ?? '';
  }

  get username(): string {
    return this.#username;
  }

  /** For Authorization; undefined when there is no password. */
  basicHeader(): string | undefined {
    if (this.#username === '' || this.#password === '') return undefined;
    return `Basic ${Buffer.from(`${this.#username}:${this.#password}`).toString('base64')}`;
  }

  /** A refresh token (OAuth2), which takes the place of a password. */
  identityToken(): string | undefined {
    return this.#identityToken || undefined;
  }

  /** A bearer token that the client already holds. */
  bearerToken(): string | undefined {
    return this.#registryToken || undefined;
  }

  /** Tells credentials apart in the token cache without keeping them. */
  fingerprint(): string {
    const parts = [this.#username, this.#password, this.#identityToken, this.#registryToken];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }
}

export const anonymous = new Credentials({});

/** `header`: base64url of Docker's AuthConfig. Credentials that were made for another registry than `domain` are not used. */
export function readRegistryAuth(header: string | string[] | undefined, domain: string): Credentials {
  const raw = Array.isArray(header) ? header[0] : header;
  if (raw === undefined || raw === '' || raw.length > maxHeader) return anonymous;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(raw, 'base64url').toString('utf8'));
  } catch {
    throw new AppError('bad_request', 'the X-Registry-Auth header is not base64url of JSON');
  }
  if (value === null) return anonymous;
  return credentialsFor(new JsonFields(value, 'X-Registry-Auth'), domain);
}

export function credentialsFor(fields: JsonFields, domain: string): Credentials {
  const server = fields.text('serveraddress') ?? '';
  if (server !== '' && registryOf(server) !== domain) return anonymous;
  const legacy = Buffer.from(fields.text('auth') ?? '', 'base64').toString('utf8');
  const cut = legacy.indexOf(':');
  return new Credentials({
    username: fields.text('username') || (cut > 0 ? legacy.slice(0, cut) : ''),
    password: fields.text('password') || (cut > 0 ? legacy.slice(cut + 1) : ''),
    identityToken: fields.text('identitytoken') ?? '',
    registryToken: fields.text('registrytoken') ?? '',
  });
}

/** The registry an address of a login means: `https://index.docker.io/v1/` is docker.io. */
export function registryOf(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return ['', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'].includes(host)
    ? defaultDomain
    : host;
}
