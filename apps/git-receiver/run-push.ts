// One receive-pack under way, whoever feeds it: starts git with its hook held by us, has the push decided, tells the controller how it ended.
// Used by receive-pack.ts (git push) and receive-deploy.ts (a folder). A pusher that leaves before the verdict ends its push; after it the
// push lands whoever listens.
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Grant } from './controller-client.ts';
import { decidePush, type PushContext } from './decide-push.ts';
import { endGit, type GitPipe, type GitProcess, startGit } from './git-process.ts';
import { HookChannel } from './hook-channel.ts';
import { clearPending, type PendingPush } from './pending-pushes.ts';
import type { Receiver } from './receiver.ts';
import { readRef } from './repository.ts';
import { tidyRepository } from './tidy-repository.ts';

export interface Push {
  child: GitProcess;
  /** Git's exit code. */
  ended: Promise<number>;
  repository: string;
  /** Aborted when the pusher has left, its body was broken or the receiver stops. */
  gone: AbortController;
  accepted: boolean;
  /** What the controller waits to hear the end of. */
  started: PendingPush | undefined;
  release: () => void;
}

export function startPush(
  receiver: Receiver,
  repository: string,
  response: ServerResponse,
  env: Record<string, string>,
  errors: GitPipe = 'ignore',
): Push {
  receiver.quarantines.enter(repository);
  const child = startGit(['receive-pack', '--stateless-rpc', repository], env, [
    'pipe',
    'pipe',
    errors,
    'pipe',
    'pipe',
    'pipe',
  ]);
  const gone = new AbortController();
  const release = receiver.track(child, gone);
  const push: Push = {
    child,
    ended: childEnd(child),
    repository,
    gone,
    accepted: false,
    started: undefined,
    release,
  };
  response.on('close', () => {
    if (!push.accepted && !response.writableFinished) cutPush(push);
  });
  return push;
}

/** Ends the push: git and its hook stop, nothing moves. */
export function cutPush(push: Push): void {
  push.gone.abort();
  void endGit(push.child);
}

/** Resolves when git has been told whether it may move the refs. */
export async function runDecision(
  receiver: Receiver,
  grant: Grant,
  push: Push,
  how: Pick<PushContext, 'startedMs'> & Partial<PushContext>,
): Promise<void> {
  const { config, controller, counter, log } = receiver;
  const hook = new HookChannel(push.child);
  const verdict = await decidePush({
    limits: config,
    controller,
    counter,
    log,
    grant,
    repository: push.repository,
    introduction: () => hook.introduction(),
    print: (line) => hook.print(line),
    signal: push.gone.signal,
    onStarted: (started) => {
      push.started = started;
    },
    ...how,
  });
  push.accepted = verdict && !push.gone.signal.aborted;
  hook.finish(push.accepted);
}

/** After git has ended: clears up, and tells the controller whether the ref moved; what it cannot be told now, the next start tells. */
export async function settlePush(receiver: Receiver, push: Push): Promise<void> {
  const { repository, started, child } = push;
  push.release();
  await receiver.quarantines.leave(repository, child.pid, push.gone.signal.aborted);
  if (started) {
    const ok = (await readRef(repository, started.ref)) === started.newOid;
    try {
      await receiver.controller.landed(started.pushId, ok);
      await clearPending(repository, started.pushId);
    } catch (err) {
      receiver.log.error(
        { err, push: started.pushId, ok },
        'the controller could not be told how a push ended',
      );
    }
  }
  if (push.accepted) tidyRepository(receiver, repository);
}

function childEnd(child: GitProcess): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  child.on('error', () => resolve(127));
  child.on('exit', (code) => resolve(code ?? 128));
  (child.stdout as Readable).on('error', () => {});
  return promise;
}
