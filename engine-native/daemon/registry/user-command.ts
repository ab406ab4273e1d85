// `berth-engine registry user add|rm|ls`: who may use the registry. Called by the program's table of commands; the daemon sees the change
// by itself. The password comes by stdin, never by an argument that others can read.
import type { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { AppError } from '@berth/kit/errors.ts';
import { type Action, actions } from './access.ts';
import { AccountFile } from './account-file.ts';

const maxPasswordBytes = 1024;

export const registryUsage = `berth-engine registry user add NAME --repo PATTERN [--repo PATTERN] [--pull] [--push] [--delete]
berth-engine registry user rm NAME
berth-engine registry user ls

  The password is read from stdin. PATTERN is a repository such as team/app, or team/* for all below team.
  Adding a user that is there gives it the new password and the new rights.`;

export interface RegistryCommandParts {
  /** The engine's folder. */
  root: string;
  stdin: Readable;
  print: (line: string) => void;
}

/** `argv` is what follows the word `registry`. */
export async function runRegistryCommand(argv: string[], parts: RegistryCommandParts): Promise<void> {
  const [noun, verb, ...rest] = argv;
  if (noun === 'user' && verb === 'add') return addUser(rest, parts);
  if (noun === 'user' && verb === 'rm') return removeUser(rest, parts);
  if (noun === 'user' && verb === 'ls') return listUsers(parts);
  throw new AppError('bad_request', `"registry ${argv.join(' ')}" is no command`, { hint: registryUsage });
}

async function addUser(argv: string[], { root, stdin, print }: RegistryCommandParts): Promise<void> {
  const { name, repositories, granted } = parseAdd(argv);
  if (repositories.length === 0 || granted.length === 0)
    throw new AppError('bad_request', 'say which repositories the user gets, and to do what', {
      hint: `add --repo 'team/*' and one or more of --pull --push --delete`,
    });
  const password = await readPassword(stdin);
  const grants = repositories.map((pattern) => ({ repositories: pattern, actions: granted }));
  await new AccountFile(root).set(name, password, grants);
  print(`user "${name}" may ${granted.join(', ')} ${repositories.join(', ')}`);
}

function parseAdd(argv: string[]): { name: string; repositories: string[]; granted: Action[] } {
  const flag = { type: 'boolean', default: false } as const;
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: { repo: { type: 'string', multiple: true }, pull: flag, push: flag, delete: flag },
      allowPositionals: true,
    });
    return {
      name: onlyName(positionals),
      repositories: values.repo ?? [],
      granted: actions.filter((action) => values[action]),
    };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('bad_request', error instanceof Error ? error.message : String(error), {
      hint: registryUsage,
    });
  }
}

function removeUser(argv: string[], { root, print }: RegistryCommandParts): void {
  const name = onlyName(argv);
  if (!new AccountFile(root).remove(name)) throw new AppError('not_found', `no such registry user "${name}"`);
  print(`user "${name}" is removed; its tokens end within five minutes`);
}

function listUsers({ root, print }: RegistryCommandParts): void {
  for (const { name, grants } of new AccountFile(root).list())
    print(`${name}  ${grants.map((grant) => `${grant.repositories}:${grant.actions.join(',')}`).join(' ')}`);
}

function onlyName(positionals: string[]): string {
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0)
    throw new AppError('bad_request', 'give one user name', { hint: registryUsage });
  return name;
}

async function readPassword(stdin: Readable): Promise<string> {
  if ('isTTY' in stdin && stdin.isTTY)
    throw new AppError('bad_request', 'the password is read from stdin', {
      hint: 'pipe it in, as in: berth-engine registry user add ci … < password-file',
    });
  let bytes = Buffer.alloc(0);
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > maxPasswordBytes) throw new AppError('bad_request', 'the password is too long');
  }
  return bytes.toString('utf8').replace(/\r?\n$/, '');
}
