// Ops that take over a whole connection: bytes after the request, or bytes after the reply (PROTOCOL.md, "stream op").
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import { connectUnix } from './frame-connection.ts';
import { encodeFrame, FrameReader, type Message } from './frames.ts';
import { failureOf } from './runtime-failure.ts';

const connectLimitMs = 2_000; // a helper that is restarting must fail the caller, not hang it
const firstReplyLimitMs = 20_000; // a peer that accepted but is stopped must not hold a client for ever

/** Reads the first frame of a socket and leaves what follows on it, paused. */
function readReply(socket: Socket, limitMs: number): Promise<Message> {
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const reader = new FrameReader();
  const timer =
    limitMs > 0
      ? setTimeout(() => settle(new AppError('timeout', 'the engine helper did not answer in time')), limitMs)
      : undefined;
  const settle = (outcome: Message | AppError) => {
    clearTimeout(timer);
    socket.off('data', onData).off('end', onEnd).off('error', onEnd).off('close', onEnd);
    socket.pause();
    if (outcome instanceof AppError) {
      socket.destroy();
      return reject(outcome);
    }
    const rest = reader.rest();
    if (rest.length > 0) socket.unshift(rest);
    const failure = failureOf(outcome);
    if (!failure) return resolve(outcome);
    socket.destroy();
    reject(failure);
  };
  const onData = (chunk: Buffer) => {
    try {
      reader.push(chunk);
      const message = reader.take();
      if (message) settle(message);
    } catch {
      settle(new AppError('internal', 'the peer sent something that is not a frame'));
    }
  };
  const onEnd = () => settle(new AppError('unavailable', 'the peer closed the connection without a reply'));
  socket.on('data', onData).on('end', onEnd).on('error', onEnd).on('close', onEnd);
  return promise;
}

/** Sends a request and, once it is accepted, gives the connection for raw bytes. The caller owns the socket's end. */
export async function openStreamOp(
  path: string,
  op: string,
  fields: Message,
): Promise<{ reply: Message; socket: Socket }> {
  const socket = await connectUnix(path, connectLimitMs);
  socket.on('error', () => socket.destroy());
  socket.write(encodeFrame({ id: 1, op, ...fields }));
  const reply = await readReply(socket, firstReplyLimitMs);
  return { reply, socket };
}

/** Sends a request followed by a body; the reply comes when the peer has taken the last byte, or refuses one. */
export async function uploadStreamOp(
  path: string,
  op: string,
  fields: Message,
  body: Readable,
): Promise<Message> {
  const socket = await connectUnix(path, connectLimitMs);
  socket.on('error', () => socket.destroy());
  socket.write(encodeFrame({ id: 1, op, ...fields }));
  // No limit on the reply: the body decides how long it takes, and the death of its sender ends it.
  const reply = readReply(socket, 0);
  try {
    // A refusal may come in the middle of the body; then its end is no longer waited for.
    await Promise.race([sendBody(body, socket), reply]);
    return await reply;
  } catch (error) {
    socket.destroy();
    const [outcome] = await Promise.allSettled([reply]);
    throw refusalOf(outcome) ?? error;
  } finally {
    socket.destroy();
  }
}

/** What the peer said names the entry at fault; that its connection closed says nothing. */
function refusalOf(outcome: PromiseSettledResult<Message>): unknown {
  if (outcome.status === 'fulfilled') return undefined;
  const reason: unknown = outcome.reason;
  return reason instanceof AppError && reason.code !== 'unavailable' ? reason : undefined;
}

/** Feeds the body to the socket. What comes after the socket has closed is thrown away, so that the sender never blocks on it. */
function sendBody(body: Readable, socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const resume = () => {
    body.resume();
  };
  socket.on('drain', resume).on('close', resume);
  body.on('data', (chunk: Buffer) => {
    if (!socket.destroyed && !socket.write(chunk)) body.pause();
  });
  body.on('end', () => {
    socket.end();
    resolve();
  });
  const broken = (cause?: unknown) =>
    reject(new AppError('bad_request', 'the archive ended before it was complete', { cause }));
  body.on('error', broken).on('close', () => broken());
  body.resume(); // a stream of the helper comes paused, and a listener alone does not change that
  return promise;
}
