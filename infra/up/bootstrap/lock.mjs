// One bootstrap at a time on a clone: two `npm ci` in one folder would delete each other's files.
// The lock is an abstract unix socket: the kernel frees it with the process, so a killed bootstrap leaves nothing to clean.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootstrapError, detail } from './report.mjs';

/** Longer than the slowest first install; after that the other one hangs and waiting on would hang us too. */
const waitLimitMs = 15 * 60_000;

/**
 * Waits for the lock and gives the function that frees it.
 * @param {string} repository
 * @returns {Promise<() => void>}
 */
export async function takeLock(repository) {
  const name = `\0berth-bootstrap-${createHash('sha256').update(repository).digest('hex').slice(0, 16)}`;
  const deadline = Date.now() + waitLimitMs;
  for (let attempt = 0; Date.now() < deadline; attempt++) {
    const server = await tryListen(name);
    if (server) return () => void server.unref().close();
    if (attempt === 0) detail('another bootstrap of this clone is running: waiting for it');
    await sleep(250);
  }
  throw new BootstrapError(
    'another bootstrap of this clone has not ended in 15 minutes',
    'end it and start again',
  );
}

/**
 * @param {string} name
 * @returns {Promise<import('node:net').Server | undefined>}
 */
function tryListen(name) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => resolve(server));
  });
}
