// POST git-receive-pack: one push. Runs git with its hook held by us, streams both ways, and tells the controller how it ended.
// A pusher that leaves before the verdict ends its push; after it the push lands whoever listens.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { asAppError } from '@berth/kit/errors.ts';
import type { Grant } from './controller-client.ts';
import { decidePush } from './decide-push.ts';
import { endGit, type GitProcess, gitEnvironment, protocolVariable, startGit } from './git-process.ts';
import { checkRpcHeaders } from './git-request.ts';
import { HookChannel } from './hook-channel.ts';
import { clearPending, type PendingPush } from './pending-pushes.ts';
import type { Receiver } from './receiver.ts';
import { ensureRepository, readRef } from './repository.ts';
import { feedBody } from './request-body.ts';
import { pourOutput } from './response-stream.ts';
import { tidyRepository } from './tidy-repository.ts';

/** One receive-pack under way. */
interface Push {
  child: GitProcess;
  repository: string;
  /** Aborted when the pusher has left, its body was broken or the receiver stops. */
  gone: AbortController;
  accepted: boolean;
  /** What the controller waits to hear the end of. */
  started: PendingPush | undefined;
}

export async function receivePack(
  receiver: Receiver,
  grant: Grant,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedMs = performance.now();
  const { config } = receiver;
  const { gzip } = checkRpcHeaders('git-receive-pack', request.headers);
  const repository = await ensureRepository(config.repositories, grant.appId, grant.deployBranch);
  const push = startPush(receiver, repository, request, response);
  const { child } = push;
  const release = receiver.track(child, push.gone);
  const ended = childEnd(child);
  const deciding = decide(receiver, grant, push, startedMs);
  // The pack's own limit is git's (receive.maxInputSize); the commands before it and the probe need little more.
  const maxBytes = config.pushMaxBytes + 16 * 1024 * 1024;
  const pouring = pourOutput(child, ended, response, 'git-receive-pack');
  pouring.catch(() => {}); // awaited below; a broken body is reported first
  try {
    await feedBody(request, child.stdin as Writable, { gzip, maxBytes }).catch(ignoreEarlyEnd);
    await pouring;
  } catch (error) {
    cut(push);
    throw error;
  } finally {
    await ended;
    await deciding;
    release();
    await receiver.quarantines.leave(repository, child.pid, push.gone.signal.aborted);
    await settle(receiver, push);
  }
}

function startPush(
  receiver: Receiver,
  repository: string,
  request: IncomingMessage,
  response: ServerResponse,
): Push {
  const protocol = protocolVariable(request.headers['git-protocol']);
  receiver.quarantines.enter(repository);
  const child = startGit(
    ['receive-pack', '--stateless-rpc', repository],
    gitEnvironment(receiver.config.pushMaxBytes, protocol),
    ['pipe', 'pipe', 'ignore', 'pipe', 'pipe', 'pipe'],
  );
  const push: Push = { child, repository, gone: new AbortController(), accepted: false, started: undefined };
  response.on('close', () => {
    if (!push.accepted && !response.writableFinished) cut(push);
  });
  return push;
}

/** Ends the push: git and its hook stop, nothing moves. */
function cut(push: Push): void {
  push.gone.abort();
  void endGit(push.child);
}

/** Git that stops reading its input says itself why; that is no error of the body. */
function ignoreEarlyEnd(cause: unknown): void {
  if (asAppError(cause).code !== 'unavailable') throw cause;
}

async function decide(receiver: Receiver, grant: Grant, push: Push, startedMs: number): Promise<void> {
  const { config, controller, counter, log } = receiver;
  const hook = new HookChannel(push.child);
  const verdict = await decidePush({
    limits: config,
    controller,
    counter,
    log,
    grant,
    repository: push.repository,
    hook,
    startedMs,
    signal: push.gone.signal,
    onStarted: (started) => {
      push.started = started;
    },
  });
  push.accepted = verdict && !push.gone.signal.aborted;
  hook.finish(push.accepted);
}

/** Tells the controller whether the ref moved; what it cannot be told now, the next start tells. */
async function settle(receiver: Receiver, push: Push): Promise<void> {
  const { repository, started } = push;
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
