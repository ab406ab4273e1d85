// Who may do what in which repository: the shape that the token endpoint and the routes ask. account-file.ts answers it from a file;
// a platform with teams of its own can answer it instead.

export type Action = 'pull' | 'push' | 'delete';
export const actions: readonly Action[] = ['pull', 'push', 'delete'];

/** What everybody may do without a login. `all` is for a registry that only this machine reaches. */
export type AnonymousAccess = 'none' | 'pull' | 'all';

export interface Accounts {
  /** False when there is no such user or the password is wrong; both take the same time. */
  isPassword(user: string, password: string): Promise<boolean>;
  allowed(user: string, repository: string): Promise<Action[]>;
}

/** One entry of a token, as Docker's token specification writes it. */
export interface Scope {
  type: string;
  name: string;
  actions: string[];
}

export function anonymousActions(anonymous: AnonymousAccess): Action[] {
  if (anonymous === 'all') return [...actions];
  return anonymous === 'pull' ? ['pull'] : [];
}

/** `repository:team/app:pull,push`; undefined when it is no scope. A name may hold colons (a host with a port). */
export function parseScope(text: string): Scope | undefined {
  const match = /^([a-z]+)(?:\([a-z]*\))?:([^\s]{1,300}):([a-z*,]{0,50})$/.exec(text);
  if (!match) return undefined;
  const [, type = '', name = '', list = ''] = match;
  return { type, name, actions: list.split(',').filter((action) => action !== '') };
}
