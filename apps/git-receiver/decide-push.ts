// The steps between "the objects are in quarantine" and "git may move the refs". Called by the receive-pack handler, once a push.
// Must never accept a push to the deploy branch whose release is not live.
import { statfs } from 'node:fs/promises';
import type { StartedPush, StartPush } from '@berth/contract/push.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { ReceiverLimits } from './config.ts';
import { type ControllerClient, type Grant, reconnectLimitMs } from './controller-client.ts';
import type { TreeCounter } from './count-tree.ts';
import { followPush, type PushEnd } from './follow-push.ts';
import type { PushedRefs, RefUpdate } from './hook-channel.ts';
import { ObjectReader } from './object-reader.ts';
import { notePending } from './pending-pushes.ts';
import {
  diskFull,
  errorLines,
  isDelete,
  otherRefLine,
  seconds,
  tooManyBytes,
  tooManyFiles,
  warning,
} from './push-words.ts';
import { readRef } from './repository.ts';

export interface PushContext {
  grant: Grant;
  repository: string;
  controller: ControllerClient;
  counter: TreeCounter;
  limits: ReceiverLimits;
  introduction: () => Promise<PushedRefs | null>;
  /** Prints a line to the pusher. */
  print: (line: string) => Promise<void>;
  log: Logger;
  /** performance.now() when the POST came in. */
  startedMs: number;
  /** Aborts when the pusher has left or the receiver stops. */
  signal: AbortSignal;
  /** Set as soon as the controller waits to hear whether the ref moved. */
  onStarted: (push: { pushId: string; ref: string; newOid: string }) => void;
  /** The ref of a deployed folder, which is built whatever the deploy branch is. */
  deployRef?: string;
  noCache?: boolean;
  /** How it ended, for who does not read git's exit code. */
  onEnd?: (end: PushEnd) => void;
}

/** Whether git may move the refs. Everything the pusher should know has been printed. */
export async function decidePush(context: PushContext): Promise<boolean> {
  const { print, log, grant } = context;
  try {
    const pushed = await context.introduction();
    if (!pushed) return false; // git has refused the push by itself and said why
    const deploy = await sortUpdates(context, pushed);
    if (!deploy) return true;
    await checkSpace(context);
    const treeOid = await checkTree(context, pushed.quarantine, deploy.newOid);
    return await deployPush(context, pushed, deploy, treeOid);
  } catch (err) {
    const error = asAppError(err);
    if (context.signal.aborted) return false;
    if (error.code === 'internal') log.error({ err, app: grant.appName }, 'push failed inside');
    const lines = pusherLines(error);
    for (const line of lines) await print(line);
    const message = lines[0]?.slice(warning('').length) ?? '';
    context.onEnd?.({ end: true, ok: false, code: error.code, message, release: null, url: null });
    return false;
  }
}

/** The text of an internal error stays in our log. */
function pusherLines(error: AppError): string[] {
  if (error.code !== 'internal') return errorLines(error);
  return [warning('the push failed because of a fault of the platform; nothing has changed')];
}

/** Says what the refs beside the deploy branch mean; returns the update that deploys, if any. */
async function sortUpdates(context: PushContext, pushed: PushedRefs): Promise<RefUpdate | undefined> {
  const { print, grant } = context;
  const deployRef = context.deployRef ?? `refs/heads/${grant.deployBranch}`;
  const deploy = pushed.updates.find((update) => update.ref === deployRef);
  if (deploy && isDelete(deploy))
    throw new AppError('forbidden', `"${grant.deployBranch}" deploys and cannot be deleted`, {
      hint: `to remove the app: berth apps:destroy --confirm ${grant.appName}`,
    });
  if (pushed.unknownOptions > 0)
    await print(warning('The only push option here is "no-cache"; others were ignored.'));
  for (const update of pushed.updates) {
    const line = update === deploy ? null : otherRefLine(update, grant.deployBranch);
    if (line !== null) await print(line);
  }
  return deploy;
}

/** On a full disk the queue takes no build and no database row is written: the push would wait without a word. */
export async function checkSpace({
  repository,
  limits,
}: Pick<PushContext, 'repository' | 'limits'>): Promise<void> {
  const { bavail, bsize } = await statfs(repository);
  const freeBytes = bavail * bsize;
  if (freeBytes < limits.leastFreeBytes)
    throw new AppError('no_space', diskFull(freeBytes, limits.leastFreeBytes), {
      hint: 'free some space on the disk of the platform and push again',
    });
}

/** Counts before anything is checked out anywhere. Throws `too_large`. */
async function checkTree(context: PushContext, quarantine: string, commit: string): Promise<string> {
  const { limits, print } = context;
  const reader = new ObjectReader(context.repository, quarantine);
  try {
    const { treeOid, count } = await context.counter.count(reader, commit);
    const hint = 'leave build results and downloads out of git (.gitignore)';
    if (count.files > limits.treeMaxFiles)
      throw new AppError('too_large', tooManyFiles(count.files, limits.treeMaxFiles), { hint });
    if (count.bytes > limits.treeMaxBytes)
      throw new AppError('too_large', tooManyBytes(count.bytes, limits.treeMaxBytes), { hint });
    if (count.submodule !== null)
      await print(warning(`"${count.submodule}" is a submodule: its files are not fetched.`));
    return treeOid;
  } finally {
    void reader.close();
  }
}

/** While this push waited for an earlier one the branch may have moved; git would refuse it only after its release went live. */
async function checkUnmoved(context: PushContext, update: RefUpdate): Promise<void> {
  const now = await readRef(context.repository, update.ref);
  if (now === (/^0+$/.test(update.oldOid) ? null : update.oldOid)) return;
  throw new AppError(
    'conflict',
    `"${context.grant.deployBranch}" has moved while this push waited for another`,
    {
      hint: 'git pull, then push again',
    },
  );
}

/** The branch is looked at before each try: once a build is started it may be live before it can be called off. */
async function startPush(context: PushContext, update: RefUpdate, push: StartPush): Promise<StartedPush> {
  for (;;) {
    await checkUnmoved(context, update);
    const answer = await context.controller.startPush(push, context.signal);
    if (!('waited' in answer)) return answer;
  }
}

async function deployPush(
  context: PushContext,
  { quarantine, noCache }: PushedRefs,
  update: RefUpdate,
  treeOid: string,
): Promise<boolean> {
  const { controller, grant, repository, signal, print } = context;
  const { ref, oldOid, newOid } = update;
  const { appId, userId } = grant;
  const objectDirectories = [quarantine];
  const push = {
    appId,
    userId,
    ref,
    oldOid,
    newOid,
    treeOid,
    repository,
    objectDirectories,
    noCache: noCache || context.noCache === true,
    ...(context.deployRef === undefined ? {} : { trigger: 'deploy' as const }),
  };
  const { pushId, buildNumber } = await startPush(context, update, push);
  context.onStarted({ pushId, ref, newOid });
  await notePending(repository, { pushId, ref, newOid });
  await checkUnmoved(context, update).catch(async (moved: unknown) => {
    await controller.abandon(pushId);
    throw moved;
  });
  context.log.info(
    { app: grant.appName, user: grant.user, commit: newOid, build: buildNumber },
    'push started',
  );
  let saidRelease = false;
  const end = await followPush({
    open: (after, stop) => controller.output(pushId, after, stop),
    print: (text) => {
      saidRelease ||= text.startsWith('-----> Released ');
      return print(text);
    },
    signal,
    reconnectLimitMs,
  });
  context.onEnd?.(end);
  if (!end.ok) {
    for (const line of errorLines({ message: end.message, detail: undefined, hint: end.hint }))
      await print(line);
    return false;
  }
  if (!saidRelease && end.release !== null) {
    await print(`-----> Released v${end.release}`);
    if (end.url !== null) await print(`       ${end.url}`);
  }
  await print(`       live in ${seconds(performance.now() - context.startedMs)}`);
  return true;
}
