// POST git-receive-pack: one push. Streams between the pusher and git while run-push.ts has it decided.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { asAppError } from '@berth/kit/errors.ts';
import type { Grant } from './controller-client.ts';
import { gitEnvironment, protocolVariable } from './git-process.ts';
import { checkRpcHeaders } from './git-request.ts';
import type { Receiver } from './receiver.ts';
import { ensureRepository } from './repository.ts';
import { feedBody } from './request-body.ts';
import { pourOutput } from './response-stream.ts';
import { cutPush, runDecision, settlePush, startPush } from './run-push.ts';

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
  const protocol = protocolVariable(request.headers['git-protocol']);
  const push = startPush(receiver, repository, response, gitEnvironment(config.pushMaxBytes, protocol));
  const { child, ended } = push;
  const deciding = runDecision(receiver, grant, push, { startedMs });
  // The pack's own limit is git's (receive.maxInputSize); the commands before it and the probe need little more.
  const maxBytes = config.pushMaxBytes + 16 * 1024 * 1024;
  const pouring = pourOutput(child, ended, response, 'git-receive-pack');
  pouring.catch(() => {}); // awaited below; a broken body is reported first
  try {
    await feedBody(request, child.stdin as Writable, { gzip, maxBytes }).catch(ignoreEarlyEnd);
    await pouring;
  } catch (error) {
    cutPush(push);
    throw error;
  } finally {
    await ended;
    await deciding;
    await settlePush(receiver, push);
  }
}

/** Git that stops reading its input says itself why; that is no error of the body. */
function ignoreEarlyEnd(cause: unknown): void {
  if (asAppError(cause).code !== 'unavailable') throw cause;
}
