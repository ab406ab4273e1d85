// Writes a git remote and its credential helper into a repository's own config. Used by create and git:remote.
// Must never write a token there: the helper reads it from the credentials file.
import { runCommandOk } from '@berth/kit/run-command.ts';
import { childEnvironment } from './config.ts';

/** The helper as git runs it, quoted for the shell that git uses. */
export function loginHelper(launcher: string): string {
  return `!'${launcher.replaceAll("'", "'\\''")}' git-credential`;
}

/** Sets the remote (new or not) and, for URLs of this server only, the helper; an empty helper first drops those of the machine. */
export async function addRemote(
  remote: string,
  url: string,
  server: string,
  launcher: string,
): Promise<void> {
  const key = `credential.${server}.helper`;
  await git('config', '--local', `remote.${remote}.url`, url);
  await git('config', '--local', `remote.${remote}.fetch`, `+refs/heads/*:refs/remotes/${remote}/*`);
  await git('config', '--local', '--replace-all', key, '');
  await git('config', '--local', '--add', key, loginHelper(launcher));
}

async function git(...args: string[]): Promise<void> {
  await runCommandOk(['git', ...args], { env: childEnvironment(), timeoutMs: 10_000 });
}
