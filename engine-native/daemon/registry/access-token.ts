// Bearer tokens: JSON web tokens signed with the registry's own key, good for five minutes. Made by the token endpoint, read by every request.
// Must never trust a header of the token: there is one kind, and its bytes are known.
import type { Scope } from './access.ts';
import type { SigningKey } from './signing-key.ts';

export const tokenSeconds = 300; // a revoked user is out within this time; clients renew by themselves
const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
const purpose = 'registry-token';

export interface TokenContent {
  /** Empty for somebody who has not logged in. */
  user: string;
  access: Scope[];
}

export function makeToken(key: SigningKey, service: string, content: TokenContent, nowMs: number): string {
  const issued = Math.floor(nowMs / 1000);
  const payload = {
    iss: service,
    aud: service,
    sub: content.user,
    access: content.access,
    iat: issued,
    exp: issued + tokenSeconds,
  };
  const signed = `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
  return `${signed}.${key.sign(purpose, signed).toString('base64url')}`;
}

/** undefined when it is not ours, for another service, or over. */
export function readToken(
  key: SigningKey,
  service: string,
  token: string,
  nowMs: number,
): TokenContent | undefined {
  const [head, body, signature, ...rest] = token.split('.');
  if (head !== header || body === undefined || signature === undefined || rest.length > 0) return undefined;
  if (!key.isSigned(purpose, `${head}.${body}`, Buffer.from(signature, 'base64url'))) return undefined;
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as {
    aud: string;
    sub: string;
    access: Scope[];
    exp: number;
  };
  if (payload.aud !== service || payload.exp * 1000 <= nowMs) return undefined;
  return { user: payload.sub, access: payload.access };
}
