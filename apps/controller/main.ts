// The controller: HTTP API, the only writer of the database. Started by the supervisor or systemd; reads config.ts, migrates, serves.
import { chmodSync, rmSync } from 'node:fs';
import { ImageDocuments } from '@berth/clients/image-documents.ts';
import { AppError, systemCode } from '@berth/kit/errors.ts';
import { createLogger } from '@berth/kit/logging.ts';
import { createShutdown, reportReady } from '@berth/kit/shutdown.ts';
import { openDatabase } from '@berth/store/database.ts';
import { migrate } from '@berth/store/migrate.ts';
import { renameBuiltinDomains } from '@berth/store/queries/apps.ts';
import { Bells } from './bells.ts';
import { type ControllerConfig, controllerConfig } from './config.ts';
import { DesiredSets } from './desired-sets.ts';
import { ensureAdmin } from './first-admin.ts';
import { Hints } from './hints.ts';
import { buildInternalServer } from './internal/server.ts';
import { OutputLog } from './output-log.ts';
import { buildPublicServer } from './public/server.ts';
import { openQueues } from './queues.ts';
import { RouteTable } from './route-table.ts';
import { startCron } from './run-due-cron.ts';
import { createSealer, readKey } from './seal-config.ts';
import type { Services } from './services.ts';
import { BuildHeartbeats, startSweeping } from './sweep.ts';

async function main(): Promise<void> {
  const config = controllerConfig();
  const log = createLogger('controller', config.BERTH_LOG_LEVEL);
  const shutdown = createShutdown(log);
  const db = openDatabase(config.DATABASE_URL);
  shutdown.add('database', () => db.close());
  const applied = await migrate(db);
  if (applied.length > 0) log.info({ migrations: applied }, 'database migrated');
  await renameBuiltinDomains(db, config.BERTH_DOMAIN);
  const adminFile = await ensureAdmin(db, config.BERTH_DATA);
  if (adminFile) log.info({ file: adminFile }, 'first admin made; its token is in the file');

  const services = makeServices(config, db, log);
  shutdown.add('queues', () => services.queues.close());
  shutdown.add('engine client', () => services.documents.close());
  await services.routes.load();
  const heartbeats = new BuildHeartbeats();
  const internal = buildInternalServer(services, heartbeats);
  rmSync(config.BERTH_CONTROLLER_SOCKET, { force: true }); // left by a killed controller; a living one would hold the supervisor's lock
  await internal.listen({ path: config.BERTH_CONTROLLER_SOCKET });
  chmodSync(config.BERTH_CONTROLLER_SOCKET, 0o600);
  shutdown.add('internal server', () => internal.close());
  const server = await buildPublicServer(services);
  await server
    .listen({ host: config.BERTH_API_HOST, port: config.BERTH_API_PORT })
    .catch((error: unknown) => {
      if (systemCode(error) !== 'EADDRINUSE') throw error;
      throw new AppError('conflict', `port ${config.BERTH_API_PORT} on ${config.BERTH_API_HOST} is taken`, {
        hint: 'set BERTH_API_PORT to a free one',
      });
    });
  shutdown.add('public server', () => server.close());
  shutdown.add('sweep', startSweeping(services, heartbeats, log));
  shutdown.add('cron', startCron(services, log));
  log.info({ port: config.BERTH_API_PORT }, 'controller serves');
  reportReady();
}

function makeServices(config: ControllerConfig, db: Services['db'], log: Services['log']): Services {
  const bells = new Bells();
  const hints = new Hints();
  const sealer = createSealer(readKey(config.BERTH_KEY_FILE));
  const limits = {
    bootTimeoutSeconds: config.BERTH_BOOT_TIMEOUT,
    releaseTimeoutSeconds: config.BERTH_RELEASE_TIMEOUT,
    graceSeconds: config.BERTH_GRACE,
  };
  return {
    db,
    bells,
    hints,
    routes: new RouteTable(db, bells, (appId) => hints.app(appId)),
    desired: new DesiredSets(db, sealer, limits),
    output: new OutputLog(db, bells),
    queues: openQueues(config.REDIS_URL, log),
    sealer,
    documents: new ImageDocuments(config.BERTH_ENGINE_SOCKET),
    config,
    log,
  };
}

await main().catch((error: unknown) => {
  const known = error instanceof AppError;
  createLogger('controller').fatal(
    known ? { detail: error.detail, hint: error.hint } : { err: error },
    known ? error.message : 'start failed',
  );
  process.exit(1);
});
