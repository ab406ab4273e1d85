// An app's bare repository on disk: made on first use, read for the state of a ref. Called by the request handlers and the sweep.
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { runCommand, runCommandOk } from '@berth/kit/run-command.ts';
import { gitEnvironment } from './git-process.ts';

/** Ids come from the controller; this keeps even a wrong one from leaving the folder. */
const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

export function repositoryPath(repositories: string, appId: string): string {
  if (!idPattern.test(appId)) throw new Error(`"${appId}" cannot name a repository`);
  return `${repositories}/${appId}.git`;
}

/** Makes the repository when there is none. Two callers at once are fine: the first rename wins. */
export async function ensureRepository(repositories: string, appId: string, branch: string): Promise<string> {
  const path = repositoryPath(repositories, appId);
  if (await exists(`${path}/HEAD`)) return path;
  await mkdir(repositories, { recursive: true, mode: 0o700 });
  const fresh = `${repositories}/.new-${appId}-${process.pid}-${performance.now().toString(36)}`;
  try {
    await runCommandOk(['git', 'init', '--quiet', '--bare', '--template=', '-b', branch, fresh], {
      env: gitEnvironment(0),
      timeoutMs: 10_000,
    });
    await rename(fresh, path).catch(async (error: unknown) => {
      if (!(await exists(`${path}/HEAD`))) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return path;
}

/** The object a ref points to, or null. */
export async function readRef(repository: string, ref: string): Promise<string | null> {
  // A ref that was just pushed is a file of its own; git is asked only for packed ones.
  const loose = await readFile(`${repository}/${ref}`, 'utf8').catch(() => '');
  const oid = /^([0-9a-f]{40,64})\n$/.exec(loose)?.[1];
  if (oid !== undefined) return oid;
  const answer = await runCommand(['git', '--git-dir', repository, 'rev-parse', '--verify', '--quiet', ref], {
    env: gitEnvironment(0),
    timeoutMs: 10_000,
  });
  return answer.exitCode === 0 ? answer.stdout.toString('utf8').trim() : null;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
