// The router process: reads its configuration, starts, stops on SIGTERM. Started by the supervisor or by systemd.
import { asAppError } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { loadConfig } from './config.ts';
import { startRouter } from './start-router.ts';

async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLogger('router', config.BERTH_LOG_LEVEL);
  const shutdown = createShutdown(log);
  const fd = config.BERTH_HTTP_FD;
  const router = await startRouter({
    host: config.BERTH_HTTP_HOST,
    port: config.BERTH_HTTP_PORT,
    fd: fd < 0 ? undefined : fd,
    controllerSocket: config.BERTH_CONTROLLER_SOCKET,
    adminSocket: config.BERTH_ROUTER_SOCKET,
    snapshotPath: config.BERTH_ROUTER_SNAPSHOT,
    logPath: config.BERTH_ROUTER_LOG,
    trustedProxies: config.BERTH_TRUSTED_PROXIES.split(',').filter((cidr) => cidr !== ''),
    log,
  });
  shutdown.add('router', () => router.stop());
  log.info({ host: config.BERTH_HTTP_HOST, port: router.port }, 'serving');
  reportReady();
}

main().catch((error: unknown) => {
  const { message, hint } = asAppError(error);
  process.stderr.write(`router: ${message}${hint === undefined ? '' : ` (${hint})`}\n`);
  process.exitCode = 1;
});
