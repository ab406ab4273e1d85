// Starts git in an environment of our own: no file of the machine or of a user configures it, and what it may do is written here.
// Every git the receiver runs comes from here. Must never pass a variable of our own process on.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startCommand } from '@berth/kit/run-command.ts';

const hooksPath = fileURLToPath(new URL('./hooks', import.meta.url));

/** How repositories behave. Given with each call, so that a change here reaches repositories that exist already. */
function settings(pushMaxBytes: number): [string, string][] {
  return [
    ['core.hooksPath', hooksPath],
    // a push that was acknowledged must be on the disk; one flush for all of its objects
    ['core.fsync', 'objects,derived-metadata,reference'],
    ['core.fsyncMethod', 'batch'],
    // trees with "..", ".git" and the like are refused; three faults of old, harmless histories are let pass
    ['receive.fsckObjects', 'true'],
    ['receive.fsck.badTimezone', 'ignore'],
    ['receive.fsck.missingSpaceBeforeDate', 'ignore'],
    ['receive.fsck.zeroPaddedFilemode', 'ignore'],
    ['receive.maxInputSize', String(pushMaxBytes)],
    // CI systems push from depth-1 clones
    ['receive.shallowUpdate', 'true'],
    ['receive.advertisePushOptions', 'true'],
    // what the platform keeps there is neither pushed nor mirrored away; deploys of a folder lift it for themselves
    ['receive.hideRefs', 'refs/berth'],
    // the hook answers for the deploy branch, with a line that explains
    ['receive.denyDeleteCurrent', 'ignore'],
    ['receive.autogc', 'false'],
    ['gc.auto', '0'],
    ['transfer.bundleURI', 'false'],
    ['safe.directory', '*'],
  ];
}

/** The whole environment of a git process; `more` are settings of this call, which win. */
export function gitEnvironment(
  pushMaxBytes: number,
  extra: Record<string, string> = {},
  more: readonly [string, string][] = [],
): Record<string, string> {
  const env: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    ...extra,
  };
  const pairs = [...settings(pushMaxBytes), ...more];
  env['GIT_CONFIG_COUNT'] = String(pairs.length);
  for (const [index, [key, value]] of pairs.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return env;
}

/** The protocol a client asks for (`version=2`), when it is one git could mean. */
export function protocolVariable(header: string | string[] | undefined): Record<string, string> {
  return typeof header === 'string' && /^[a-z0-9=:.-]{1,100}$/.test(header) ? { GIT_PROTOCOL: header } : {};
}

export type GitProcess = ReturnType<typeof startCommand>;
export type GitPipe = 'pipe' | 'ignore';

/** Starts git as the leader of a process group of its own, so that its hook and its children end with it. */
export function startGit(args: readonly string[], env: Record<string, string>, stdio: GitPipe[]): GitProcess {
  return startCommand(['git', ...args], { env, stdio, detached: true, cwd: '/' });
}

/** Between asking and forcing: git removes its quarantine and its locks when it is asked. */
const graceMs = 1500;

/** Ends a git and all of its children. Never fails. */
export async function endGit(child: GitProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  signalGroup(child.pid, 'SIGTERM');
  const limit = performance.now() + graceMs;
  while (!hasEnded(child) && performance.now() < limit) await sleep(20);
  if (!hasEnded(child)) signalGroup(child.pid, 'SIGKILL');
}

function hasEnded(child: GitProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // it has ended already
  }
}
