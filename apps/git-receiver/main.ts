// The git receiver's process: sweeps, listens on its unix socket, ends cleanly. Started by the supervisor.
import { chmod, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { readReceiverConfig } from './config.ts';
import { Receiver } from './receiver.ts';
import { createGitServer } from './server.ts';
import { sweepRepositories } from './sweep.ts';

const config = readReceiverConfig();
const log = createLogger('git-receiver', config.logLevel);
const shutdown = createShutdown(log);
const receiver = new Receiver(config, log);
await mkdir(config.repositories, { recursive: true, mode: 0o700 });
await sweepRepositories(receiver);

const server = createGitServer(receiver);
await mkdir(dirname(config.socketPath), { recursive: true });
await rm(config.socketPath, { force: true });
const previousMask = process.umask(0o177);
server.listen(config.socketPath, () => {
  process.umask(previousMask);
  void chmod(config.socketPath, 0o600).then(() => {
    log.info({ socket: config.socketPath }, 'listening');
    reportReady();
  });
});
shutdown.add('git processes', () => receiver.close());
shutdown.add('server', () => {
  server.close();
  server.closeIdleConnections();
});
