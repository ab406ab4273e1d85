// Bearer tokens by the Docker token spec: asked for where the registry's challenge says, kept until they expire. Used by registry-session.ts.
// Must never send credentials to a place that could read them on the way, nor to one that a redirect names.
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import type { Credentials } from './credentials.ts';
import { answerFailure, RegistryFailure } from './registry-failure.ts';
import { readWhole, type Transport } from './transport.ts';

const maxAnswerBytes = 1024 * 1024;
const defaultLifetimeS = 60; // the spec's: a token without expires_in
const expiryMarginMs = 5_000; // a token must not run out on its way

export interface TokenRequest {
  /** Parameters of the Bearer challenge. */
  challenge: Record<string, string>;
  /** The registry that challenged. */
  registry: URL;
  credentials: Credentials;
  scopes: readonly string[];
  transport: (url: URL) => Transport;
  signal?: AbortSignal | undefined;
}

export async function requestToken(request: TokenRequest): Promise<{ token: string; expiresAtMs: number }> {
  const realm = checkRealm(request.challenge['realm'] ?? '', request.registry);
  const refreshToken = request.credentials.identityToken();
  const { status, body } = await (refreshToken === undefined
    ? askWithBasic(realm, request)
    : askWithRefreshToken(realm, refreshToken, request));
  const text = (await readWhole(body, maxAnswerBytes, 'the token answer')).toString('utf8');
  if (status === 401 || status === 403)
    throw new RegistryFailure('unauthorized', 'unauthorized: incorrect username or password', { status });
  if (status !== 200) throw answerFailure(status, text, realm);
  return readToken(text, realm);
}

/** TLS, or the same host that is itself spoken to without: anything else would show a password to the wire. */
function checkRealm(raw: string, registry: URL): URL {
  let realm: URL;
  try {
    realm = new URL(raw);
  } catch {
    throw new AppError('bad_request', 'the registry names no usable address for tokens');
  }
  const isOwnPlainHost =
    realm.protocol === 'http:' && registry.protocol === 'http:' && realm.hostname === registry.hostname;
  if ((realm.protocol !== 'https:' && !isOwnPlainHost) || realm.username !== '' || realm.password !== '')
    throw new AppError(
      'forbidden',
      `registry "${registry.host}" sends for tokens to "${realm.protocol}//${realm.host}", which is not safe`,
      { hint: 'the token service must be reached over https' },
    );
  return realm;
}

function askWithBasic(realm: URL, { challenge, credentials, scopes, transport, signal }: TokenRequest) {
  const url = new URL(realm);
  if (challenge['service']) url.searchParams.set('service', challenge['service']);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const authorization = credentials.basicHeader();
  if (authorization !== undefined) url.searchParams.set('account', credentials.username);
  return transport(url).send({
    method: 'GET',
    url,
    headers: authorization === undefined ? {} : { Authorization: authorization },
    signal,
  });
}

function askWithRefreshToken(
  realm: URL,
  refreshToken: string,
  { challenge, scopes, transport, signal }: TokenRequest,
) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    service: challenge['service'] ?? '',
    client_id: 'berth-engine',
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
  });
  const body = Buffer.from(form.toString());
  return transport(realm).send({
    method: 'POST',
    url: realm,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': String(body.length),
    },
    body,
    signal,
  });
}

function readToken(text: string, realm: URL): { token: string; expiresAtMs: number } {
  let fields: JsonFields;
  try {
    fields = new JsonFields(JSON.parse(text));
  } catch {
    throw new AppError('bad_request', `"${realm.host}" answered with something that is no token`);
  }
  const token = fields.text('token') || fields.text('access_token') || '';
  // Anything else could smuggle a header line.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new AppError('bad_request', `"${realm.host}" answered without a token`);
  const lifetimeS = fields.integer('expires_in') ?? defaultLifetimeS;
  return { token, expiresAtMs: Date.now() + Math.max(0, lifetimeS) * 1000 - expiryMarginMs };
}
