// Streams newline-delimited JSON to one client: with back-pressure for generators, with a bound for pushed updates.

import { asAppError } from '@berth/kit/errors.ts';
import { ndjsonLine } from '@berth/kit/ndjson.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Blank lines this often show a quiet stream from a dead one. */
const keepAliveMs = 2000;
/** A subscriber that reads this slowly is cut; it reconnects and gets everything anew. */
const maxBufferedBytes = 64 * 1024 * 1024;

/** Sends what the generator yields until it ends or the client leaves; `signal` aborts then. */
export async function sendGenerated(
  request: FastifyRequest,
  reply: FastifyReply,
  make: (signal: AbortSignal) => AsyncIterable<unknown>,
): Promise<void> {
  const gone = new AbortController();
  const raw = open(reply);
  raw.on('close', () => gone.abort());
  const keepAlive = setInterval(() => raw.write('\n'), keepAliveMs);
  try {
    for await (const line of make(gone.signal)) {
      if (gone.signal.aborted) break;
      if (!raw.write(ndjsonLine(line))) await drained(raw, gone.signal);
    }
  } catch (error) {
    const failure = asAppError(error);
    request.log.debug({ err: failure }, 'stream ended with an error');
    if (!gone.signal.aborted) raw.write(ndjsonLine(failure.toBody()));
  } finally {
    clearInterval(keepAlive);
    raw.end();
  }
}

/** Sends what a subscription pushes until the client leaves. */
export async function sendSubscribed(
  reply: FastifyReply,
  subscribe: (send: (value: unknown) => void) => (() => void) | Promise<() => void>,
): Promise<void> {
  const raw = open(reply);
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  raw.on('close', resolve);
  const keepAlive = setInterval(() => raw.write('\n'), keepAliveMs);
  const unsubscribe = await subscribe((value) => {
    raw.write(ndjsonLine(value));
    if (raw.writableLength > maxBufferedBytes) raw.destroy();
  });
  await closed;
  clearInterval(keepAlive);
  unsubscribe();
}

function open(reply: FastifyReply) {
  reply.hijack();
  const raw = reply.raw;
  raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  raw.on('error', () => {}); // the client left in mid-write; 'close' follows
  raw.flushHeaders();
  raw.socket?.setNoDelay(true);
  return raw;
}

function drained(raw: FastifyReply['raw'], signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  raw.once('drain', resolve);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
