// What goes wrong between us and a registry, in the words Docker's users know. Pure.
// Must never hold a query string or a header: tokens and signed addresses travel in them.
import { AppError, type ErrorCode, systemCode } from '@berth/kit/errors.ts';

export class RegistryFailure extends AppError {
  /** HTTP status of the registry; 0: it could not be reached, or the connection broke. */
  readonly registryStatus: number;
  /** The registry's own code, such as `MANIFEST_UNKNOWN`; "" when it gave none. */
  readonly registryCode: string;

  constructor(
    code: ErrorCode,
    message: string,
    about: { status?: number; registryCode?: string; cause?: unknown } = {},
  ) {
    super(code, message, about.cause === undefined ? {} : { cause: about.cause });
    this.registryStatus = about.status ?? 0;
    this.registryCode = about.registryCode ?? '';
  }

  /** Asking again, or going on where it broke off, may help. */
  get mayPass(): boolean {
    return this.registryStatus === 0 || this.registryStatus === 429 || this.registryStatus >= 500;
  }
}

/** True when asking again may help. */
export function mayPass(error: unknown): boolean {
  return error instanceof RegistryFailure && error.mayPass;
}

/** Without what may be secret. */
function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

export function networkFailure(error: unknown, method: string, url: URL): AppError {
  if (error instanceof AppError) return error;
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const reason = reasonOf(error, url);
  return new RegistryFailure('unavailable', `${verb} "${shown(url)}": ${reason}`, { cause: error });
}

const reasons: Record<string, (url: URL) => string> = {
  ENOTFOUND: (url) => `dial tcp: lookup ${url.hostname}: no such host`,
  EAI_AGAIN: (url) => `dial tcp: lookup ${url.hostname}: temporary failure in name resolution`,
  ECONNREFUSED: (url) => `dial tcp ${withPort(url)}: connect: connection refused`,
  EHOSTUNREACH: (url) => `dial tcp ${withPort(url)}: connect: no route to host`,
  ENETUNREACH: (url) => `dial tcp ${withPort(url)}: connect: network is unreachable`,
  ECONNRESET: () => 'connection reset by peer',
  EPIPE: () => 'connection reset by peer',
  ETIMEDOUT: () => 'context deadline exceeded (i/o timeout)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: () => unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: () => unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: () => unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: () => unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: () => unknownAuthority,
  CERT_HAS_EXPIRED: () =>
    'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: (url) =>
    `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`,
};

const unknownAuthority =
  'tls: failed to verify certificate: x509: certificate signed by unknown authority (name its CA in the registries file)';

function withPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
}

function reasonOf(error: unknown, url: URL): string {
  const code = systemCode(error) ?? '';
  const known = reasons[code];
  if (known) return known(url);
  if (isNoTls(error)) return 'http: server gave HTTP response to HTTPS client';
  return error instanceof Error ? error.message : String(error);
}

/** The peer answered a TLS greeting with something else. */
export function isNoTls(error: unknown): boolean {
  const code = systemCode(error) ?? '';
  return code === 'EPROTO' || /^ERR_SSL_(?:WRONG_VERSION|PACKET_LENGTH|HTTP_REQUEST)/.test(code);
}

const codeOfStatus: Record<number, ErrorCode> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'unsupported',
  413: 'too_large',
  429: 'rate_limited',
};

/** `text`: the body of an answer that is no success. */
export function answerFailure(status: number, text: string, url: URL): RegistryFailure {
  const first = firstError(text);
  const code = codeOfStatus[status] ?? (status >= 500 ? 'unavailable' : 'bad_request');
  if (!first)
    return new RegistryFailure(code, `received unexpected HTTP status ${status} from "${shown(url)}"`, {
      status,
    });
  const words = first.code.toLowerCase().replaceAll('_', ' ');
  return new RegistryFailure(code, first.message === '' ? words : `${words}: ${first.message}`, {
    status,
    registryCode: first.code,
  });
}

function firstError(text: string): { code: string; message: string } | undefined {
  try {
    const parsed = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] };
    const first = parsed.errors?.[0];
    if (!first) return undefined;
    return { code: oneLine(first.code) || 'UNKNOWN', message: oneLine(first.message) };
  } catch {
    return undefined;
  }
}

/** A stranger's words go into our logs and terminals: one short line without control characters. */
function oneLine(value: unknown): string {
  if (typeof value !== 'string') return '';
  return value.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 300);
}
