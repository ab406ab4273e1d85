// Users of the registry and what each may do, in ROOT/registry/users.json (0600). Read again when it changes, so that an added or
// removed user counts at once. Written by `registry user`. A file that cannot be read lets nobody in.
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { replaceFile } from '../files.ts';
import { type Accounts, type Action, actions } from './access.ts';
import { hashPassword, isPasswordOf } from './password-hash.ts';
import { RegistryError } from './registry-error.ts';
import { isPattern, matchesPattern } from './repository-name.ts';

export interface Grant {
  /** `team/app`, `team/*`, `*`. */
  repositories: string;
  actions: Action[];
}

interface User {
  password: string;
  grants: Grant[];
}

type Users = Record<string, User>;

const knownMs = 300_000; // one push asks for several tokens: only the first waits for the hash
const maxKnown = 1000;

export class AccountFile implements Accounts {
  readonly #path: string;
  /** Logins that were right a moment ago, by a fingerprint that only this process can make, until when. */
  readonly #known = new Map<string, number>();
  readonly #fingerprintKey = randomBytes(32);
  #read: { stamp: string; users: Users } | undefined;

  constructor(root: string) {
    this.#path = join(root, 'registry', 'users.json');
  }

  async isPassword(user: string, password: string): Promise<boolean> {
    const stored = this.#user(user)?.password;
    // With the stored hash in it: a new password or a removed user ends what was known.
    const fingerprint = createHmac('sha256', this.#fingerprintKey)
      .update(JSON.stringify([user, password, stored]))
      .digest('base64');
    if (stored !== undefined && (this.#known.get(fingerprint) ?? 0) > Date.now()) return true;
    const answer = await isPasswordOf(password, stored);
    if (answer === 'busy')
      throw new RegistryError('TOOMANYREQUESTS', 'too many logins at once', {
        headers: { 'Retry-After': '5' },
      });
    if (answer) this.#remember(fingerprint);
    return answer;
  }

  async allowed(user: string, repository: string): Promise<Action[]> {
    const grants = (this.#user(user)?.grants ?? []).filter((grant) =>
      matchesPattern(repository, grant.repositories),
    );
    return actions.filter((action) => grants.some((grant) => grant.actions.includes(action)));
  }

  /** Adds a user, or gives one that is there a new password and new grants. */
  async set(name: string, password: string, grants: Grant[]): Promise<void> {
    checkUser(name, password, grants);
    const hash = await hashPassword(password);
    this.#write({ ...this.#load(), [name]: { password: hash, grants } });
  }

  remove(name: string): boolean {
    const users = this.#load();
    if (!Object.hasOwn(users, name)) return false;
    this.#write(Object.fromEntries(Object.entries(users).filter(([one]) => one !== name)));
    return true;
  }

  list(): { name: string; grants: Grant[] }[] {
    return Object.entries(this.#load()).map(([name, { grants }]) => ({ name, grants }));
  }

  #remember(fingerprint: string): void {
    this.#known.delete(fingerprint);
    if (this.#known.size >= maxKnown) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(fingerprint, Date.now() + knownMs);
  }

  #user(name: string): User | undefined {
    const users = this.#load();
    return Object.hasOwn(users, name) ? users[name] : undefined;
  }

  #load(): Users {
    const stamp = stampOf(this.#path);
    if (stamp === undefined) return {};
    if (this.#read?.stamp !== stamp) this.#read = { stamp, users: readUsers(this.#path) };
    return this.#read.users;
  }

  #write(users: Users): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    replaceFile(this.#path, `${JSON.stringify({ users }, null, 2)}\n`, true);
    this.#read = undefined;
  }
}

function checkUser(name: string, password: string, grants: Grant[]): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}$/.test(name))
    throw new AppError('bad_request', `"${name.slice(0, 100)}" is not a user name`);
  if (password.length < 8 || password.length > 256)
    throw new AppError('bad_request', 'a password has 8 to 256 characters');
  for (const { repositories } of grants)
    if (!isPattern(repositories))
      throw new AppError('bad_request', `"${repositories.slice(0, 100)}" is not a pattern of repositories`, {
        hint: 'write a name such as team/app, or team/* for all below it',
      });
}

function stampOf(path: string): string | undefined {
  try {
    const { ino, mtimeMs, size } = statSync(path);
    return `${ino}-${mtimeMs}-${size}`;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readUsers(path: string): Users {
  try {
    const { users } = JSON.parse(readFileSync(path, 'utf8')) as { users: Users };
    for (const { password, grants } of Object.values(users))
      if (typeof password !== 'string' || !Array.isArray(grants))
        throw new Error('a user lacks password or grants');
    return users;
  } catch (cause) {
    throw new AppError('unavailable', 'the list of registry users cannot be read', {
      hint: `repair or remove "${path}"`,
      cause,
    });
  }
}
