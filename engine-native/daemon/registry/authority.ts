// Decides who a request comes from and what it may do; hands out tokens at /token by Docker's token specification. Asked by registry-server.ts.
// Must never say whether a user or a repository exists to somebody who may not know.
import type { IncomingMessage } from 'node:http';
import {
  type Accounts,
  type Action,
  type AnonymousAccess,
  actions,
  anonymousActions,
  parseScope,
  type Scope,
} from './access.ts';
import { makeToken, readToken, type TokenContent, tokenSeconds } from './access-token.ts';
import { LoginLimit } from './login-limit.ts';
import { readBody } from './registry-call.ts';
import { RegistryError } from './registry-error.ts';
import { checkName } from './repository-name.ts';
import type { SigningKey } from './signing-key.ts';

const service = 'berth-registry';
const maxScopes = 50; // of one token; a push names two or three
const maxFormBytes = 16 * 1024;

export interface AuthorityParts {
  key: SigningKey;
  accounts: Accounts;
  anonymous: AnonymousAccess;
  isTls: boolean;
  /** Where clients reach the registry when a proxy stands in front of it. */
  publicUrl: string | undefined;
}

interface Login {
  user: string;
  password: string;
}

export class Authority {
  readonly #parts: AuthorityParts;
  readonly #perAddress = new LoginLimit(10); // a person mistypes, a script guesses
  readonly #perUser = new LoginLimit(100); // guesses from many addresses; high, so that one address cannot lock a user out

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
  }

  /** undefined without a token; `UNAUTHORIZED` when it is wrong or over, so that the client asks for a new one. */
  callerOf(request: IncomingMessage): TokenContent | undefined {
    const [scheme = '', token = ''] = (request.headers.authorization ?? '').split(' ', 2);
    if (scheme.toLowerCase() !== 'bearer') return undefined;
    const found = readToken(this.#parts.key, service, token, Date.now());
    if (!found) throw this.#challenge(request, undefined, 'invalid_token');
    return found;
  }

  /** For GET /v2/, which clients use to see whether a login works. */
  requireAny(request: IncomingMessage, caller: TokenContent | undefined): void {
    if (!caller && this.#parts.anonymous !== 'all') throw this.#challenge(request, undefined);
  }

  may(caller: TokenContent | undefined, action: Action, repository: string): boolean {
    return (
      anonymousActions(this.#parts.anonymous).includes(action) ||
      hasScope(caller, 'repository', repository, action)
    );
  }

  require(request: IncomingMessage, caller: TokenContent | undefined, action: Action, name: string): void {
    if (this.may(caller, action, name)) return;
    // What clients ask for to push: they look whether a layer is there first.
    const wanted = { pull: 'pull', push: 'pull,push', delete: 'pull,delete' }[action];
    throw this.#challenge(
      request,
      `repository:${name}:${wanted}`,
      caller === undefined ? undefined : 'insufficient_scope',
    );
  }

  /** For a mount: who may not pull from there is let through, to upload instead. */
  async askToPull(
    request: IncomingMessage,
    caller: TokenContent | undefined,
    name: string,
    from: string,
  ): Promise<void> {
    if (!caller || caller.user === '' || this.may(caller, 'pull', from)) return;
    if (!(await this.#parts.accounts.allowed(caller.user, from)).includes('pull')) return;
    const scope = `repository:${name}:pull,push repository:${from}:pull`;
    throw this.#challenge(request, scope, 'insufficient_scope');
  }

  requireCatalog(request: IncomingMessage, caller: TokenContent | undefined): void {
    if (this.#parts.anonymous !== 'none' || hasScope(caller, 'registry', 'catalog', '*')) return;
    throw this.#challenge(request, 'registry:catalog:*', caller && 'insufficient_scope');
  }

  async mayList(caller: TokenContent | undefined, repository: string): Promise<boolean> {
    if (anonymousActions(this.#parts.anonymous).includes('pull')) return true;
    if (!caller || caller.user === '') return false;
    return (await this.#parts.accounts.allowed(caller.user, repository)).includes('pull');
  }

  /** The answer of GET and POST /token. */
  async issueToken(request: IncomingMessage, query: URLSearchParams): Promise<Record<string, unknown>> {
    const form = request.method === 'POST' ? await readForm(request) : query;
    const login = request.method === 'POST' ? formLogin(form) : basicLogin(request);
    if (login) await this.#checkLogin(login, this.#addressOf(request));
    const asked = form.getAll('scope').flatMap((text) => text.split(' '));
    const access = await this.#grant(login?.user ?? '', asked.slice(0, maxScopes));
    const nowMs = Date.now();
    const token = makeToken(this.#parts.key, service, { user: login?.user ?? '', access }, nowMs);
    const issued = new Date(nowMs).toISOString();
    return { token, access_token: token, expires_in: tokenSeconds, issued_at: issued };
  }

  async #checkLogin({ user, password }: Login, address: string): Promise<void> {
    this.#perAddress.check(address);
    this.#perUser.check(user);
    if (await this.#parts.accounts.isPassword(user, password)) return;
    this.#perAddress.failed(address);
    this.#perUser.failed(user);
    throw new RegistryError('UNAUTHORIZED', 'incorrect username or password', {
      headers: { 'WWW-Authenticate': `Basic realm="${service}"` },
    });
  }

  /** Of what is asked, what may be had; the rest is left out without a word, as the specification has it. */
  async #grant(user: string, asked: string[]): Promise<Scope[]> {
    const granted: Scope[] = [];
    for (const scope of asked.map(parseScope)) {
      if (scope?.type === 'registry' && scope.name === 'catalog' && user !== '')
        granted.push({ type: 'registry', name: 'catalog', actions: ['*'] });
      if (scope?.type !== 'repository' || !isName(scope.name)) continue;
      const own = user === '' ? [] : await this.#parts.accounts.allowed(user, scope.name);
      const allowed = new Set([...own, ...anonymousActions(this.#parts.anonymous)]);
      const wanted = actions.filter(
        (action) => scope.actions.includes(action) || scope.actions.includes('*'),
      );
      const given = wanted.filter((action) => allowed.has(action));
      if (given.length > 0) granted.push({ type: 'repository', name: scope.name, actions: given });
    }
    return granted;
  }

  #challenge(request: IncomingMessage, scope: string | undefined, error?: string): RegistryError {
    const fields = [
      `realm="${this.#origin(request)}/token"`,
      `service="${service}"`,
      ...(scope === undefined ? [] : [`scope="${scope}"`]),
      ...(error === undefined ? [] : [`error="${error}"`]),
    ];
    const headers = { 'WWW-Authenticate': `Bearer ${fields.join(',')}` };
    return error === 'insufficient_scope'
      ? new RegistryError('DENIED', 'requested access to the resource is denied', { status: 401, headers })
      : new RegistryError('UNAUTHORIZED', 'authentication required', { headers });
  }

  #origin(request: IncomingMessage): string {
    if (this.#parts.publicUrl !== undefined) return this.#parts.publicUrl.replace(/\/+$/, '');
    const host = request.headers.host ?? '';
    // It comes back inside a header, between quotes.
    const safe = /^[a-zA-Z0-9.:[\]-]{1,260}$/.test(host) ? host : 'localhost';
    return `${this.#parts.isTls ? 'https' : 'http'}://${safe}`;
  }

  /** A proxy of our own on this machine says for whom it speaks; nobody else is believed. */
  #addressOf(request: IncomingMessage): string {
    const address = request.socket.remoteAddress ?? 'unknown';
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim();
    const isOwnProxy = this.#parts.publicUrl !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
    return isOwnProxy && forwarded ? forwarded.slice(0, 64) : address;
  }
}

function hasScope(caller: TokenContent | undefined, type: string, name: string, action: string): boolean {
  return (caller?.access ?? []).some(
    (scope) => scope.type === type && scope.name === name && scope.actions.includes(action),
  );
}

function isName(name: string): boolean {
  try {
    checkName(name);
    return true;
  } catch {
    return false;
  }
}

function basicLogin(request: IncomingMessage): Login | undefined {
  const [scheme = '', encoded = ''] = (request.headers.authorization ?? '').split(' ', 2);
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const cut = text.indexOf(':');
  // An empty user with an empty password is how some clients say that they have none.
  if (cut < 0 || text === ':') return undefined;
  return { user: text.slice(0, cut), password: text.slice(cut + 1) };
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  return new URLSearchParams((await readBody(request, maxFormBytes)).toString('utf8'));
}

function formLogin(form: URLSearchParams): Login {
  if (form.get('grant_type') !== 'password')
    throw new RegistryError('UNSUPPORTED', 'only grant_type "password" is supported', { status: 400 });
  return { user: form.get('username') ?? '', password: form.get('password') ?? '' };
}
