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
  let answered = false;
  const settled = reply.then(
    () => {
      answered = true;
    },
    () => {
      answered = true;
    },
  );
  try {
    await sendBody(body, socket, () => answered);
  } catch (cause) {
    socket.destroy();
    await settled;
    throw new AppError('bad_request', 'the archive ended before it was complete', { cause });
  }
  try {
    return await reply;
  } finally {
    socket.destroy();
    body.resume(); // what a refusal left unread must not block the sender's connection
  }
}

async function sendBody(body: Readable, socket: Socket, answered: () => boolean): Promise<void> {
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    if (answered() || socket.destroyed) return;
    if (!socket.write(chunk as Buffer)) await writableAgain(socket);
  }
  socket.end();
}

function writableAgain(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    socket.off('drain', done).off('close', done);
    resolve();
  };
  socket.on('drain', done).on('close', done);
  return promise;
}
