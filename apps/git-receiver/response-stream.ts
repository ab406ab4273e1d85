// The answer of a git process on its way to the client. Called by the request handlers.
// The status line waits for git's first byte, so that a git that fails at once can still be answered with an error.

import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { AppError } from '@berth/kit/errors.ts';
import type { GitProcess } from './git-process.ts';
import type { GitService } from './git-request.ts';

export const noCache = {
  'cache-control': 'no-cache, max-age=0, must-revalidate',
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
} as const;

/** Streams git's output until it ends; `prefix` goes out first. A client that leaves is no error: the output is read and dropped. */
export async function pourOutput(
  child: GitProcess,
  ended: Promise<number>,
  response: ServerResponse,
  service: GitService,
  kind: 'result' | 'advertisement' = 'result',
  prefix = '',
): Promise<void> {
  const output = child.stdout as Readable;
  const begin = () => {
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': `application/x-${service}-${kind}`, ...noCache });
    if (prefix !== '') response.write(prefix);
  };
  try {
    for await (const chunk of output) {
      if (response.destroyed) continue;
      begin();
      if (!response.write(chunk)) await drained(response);
    }
  } catch {
    // the pipe broke because git was ended; its exit code says the rest
  }
  const exitCode = await ended;
  if (response.destroyed || response.writableEnded) return;
  if (exitCode !== 0 && !response.headersSent)
    throw new AppError('bad_request', 'git could not read the request');
  // A half answer with a good end leaves the client's git waiting for its own rest for ever; a broken connection ends it.
  if (exitCode !== 0) return void response.destroy();
  begin();
  response.end();
}

/** A client that reads nothing for this long holds a push, and with it every later push of the app. */
const unreadLimitMs = 120_000;

export async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const limit = setTimeout(() => response.destroy(), unreadLimitMs);
  response.once('drain', resolve).once('close', resolve);
  await promise;
  clearTimeout(limit);
  response.off('drain', resolve).off('close', resolve);
}
