// What `berth-engine registry user add|rm|ls` does: who may use the registry. Called by commands/registry.ts; a daemon that runs sees the
// change by itself. The password comes by stdin, never by an argument that others can read.
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { Action } from './access.ts';
import { AccountFile } from './account-file.ts';

const maxPasswordBytes = 1024;

export interface UserCommandParts {
  /** The engine's folder. */
  root: string;
  stdin: Readable;
  print: (line: string) => void;
}

export interface UserRights {
  repositories: string[];
  actions: Action[];
}

/** `args` is what follows the word `registry`. */
export async function runUserCommand(
  args: string[],
  rights: UserRights,
  { root, stdin, print }: UserCommandParts,
): Promise<void> {
  const [noun, verb, name, ...more] = args;
  const accounts = new AccountFile(root);
  const command = noun === 'user' && more.length === 0 ? verb : undefined;
  if (command === 'ls' && name === undefined) {
    for (const user of accounts.list())
      print(
        `${user.name}  ${user.grants.map((grant) => `${grant.repositories}:${grant.actions.join(',')}`).join(' ')}`,
      );
  } else if (command === 'rm' && name !== undefined) {
    if (!accounts.remove(name)) throw new AppError('not_found', `no such registry user "${name}"`);
    print(`user "${name}" is removed; its tokens end within five minutes`);
  } else if (command === 'add' && name !== undefined) {
    await addUser(accounts, name, rights, stdin);
    print(`user "${name}" may ${rights.actions.join(', ')} ${rights.repositories.join(', ')}`);
  } else {
    throw new AppError('bad_request', `"registry ${args.join(' ')}" is no command`, {
      hint: 'write registry user add NAME, registry user rm NAME or registry user ls',
    });
  }
}

async function addUser(
  accounts: AccountFile,
  name: string,
  { repositories, actions }: UserRights,
  stdin: Readable,
): Promise<void> {
  if (repositories.length === 0 || actions.length === 0)
    throw new AppError('bad_request', 'say which repositories the user gets, and to do what', {
      hint: "add --repo 'team/*' and one or more of --pull --push --delete",
    });
  const password = await readPassword(stdin);
  await accounts.set(
    name,
    password,
    repositories.map((pattern) => ({ repositories: pattern, actions })),
  );
}

async function readPassword(stdin: Readable): Promise<string> {
  if ('isTTY' in stdin && stdin.isTTY)
    throw new AppError('bad_request', 'the password is read from stdin', {
      hint: 'as in: berth-engine registry user add ci --repo team/* --pull < password-file',
    });
  let bytes = Buffer.alloc(0);
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > maxPasswordBytes) throw new AppError('bad_request', 'the password is too long');
  }
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}
