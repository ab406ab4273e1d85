// The git receiver's process: sweeps, listens on its unix socket, ends cleanly. Started by the supervisor.
import { chmod, mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { AppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { readReceiverConfig } from './config.ts';
import { Receiver } from './receiver.ts';
import { createGitServer } from './server.ts';
import { sweepRepositories } from './sweep.ts';

async function main(): Promise<void> {
  const config = readReceiverConfig();
  const log = createLogger('git-receiver', config.logLevel);
  const shutdown = createShutdown(log);
  const receiver = new Receiver(config, log);
  await mkdir(config.repositories, { recursive: true, mode: 0o700 });
  await mkdir(dirname(config.socketPath), { recursive: true });
  await sweepRepositories(receiver);
  shutdown.add('git processes', () => receiver.close());
  const server = createGitServer(receiver);
  await listen(server, config.socketPath);
  shutdown.add('server', () => {
    server.close();
    server.closeIdleConnections();
  });
  log.info({ socket: config.socketPath }, 'listening');
  reportReady();
}

/** Nobody but our own user may ever connect, not even between bind and chmod. */
async function listen(server: Server, socketPath: string): Promise<void> {
  await rm(socketPath, { force: true }); // left by a killed receiver; the supervisor never runs two
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  const mask = process.umask(0o177);
  server.listen(socketPath, resolve);
  process.umask(mask); // a unix socket is bound within listen()
  await promise;
  await chmod(socketPath, 0o600);
}

await main().catch((error: unknown) => {
  const known = error instanceof AppError;
  createLogger('git-receiver').fatal(
    known ? { detail: error.detail, hint: error.hint } : { err: error },
    known ? error.message : 'start failed',
  );
  process.exit(1);
});
