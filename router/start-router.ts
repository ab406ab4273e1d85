// Puts the router together and starts it: table from disk, public port, admin socket, route stream. Called by main and by tests.
// Must serve before the controller answers.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { HttpClient } from '@berth/clients/http-client.ts';
import type { Logger } from '@berth/kit/logging.ts';
import { startAdminSocket } from './admin-socket.ts';
import { HoldQueue } from './hold-queue.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { Listener } from './listen.ts';
import { LogFile } from './log-file.ts';
import type { ProxyParts } from './proxy-parts.ts';
import { RequestLog } from './request-log.ts';
import { dispatchExchange } from './send-request.ts';
import { readSnapshot, SnapshotWriter } from './snapshot.ts';
import { RouteSync } from './sync-routes.ts';
import { RouteTable } from './table.ts';
import { TrustedPeers } from './trusted-peers.ts';
import { UpstreamPool } from './upstream-pool.ts';

export interface RouterOptions {
  host: string;
  port: number;
  fd?: number | undefined;
  /** Empty: no controller, the table is applied by the caller (tests, benchmarks). */
  controllerSocket: string;
  adminSocket: string;
  snapshotPath: string;
  logPath: string;
  trustedProxies: string[];
  limits?: Partial<Limits>;
  log: Logger;
}

export interface Router {
  readonly port: number;
  readonly table: RouteTable;
  readonly parts: ProxyParts;
  readonly listener: Listener;
  stop(): Promise<void>;
}

export async function startRouter(options: RouterOptions): Promise<Router> {
  const { log, host, port, fd } = options;
  for (const path of [options.snapshotPath, options.logPath, options.adminSocket])
    if (path !== '') mkdirSync(dirname(path), { recursive: true });
  const logFile = options.logPath === '' ? undefined : new LogFile(options.logPath);
  let sync: RouteSync | undefined;
  const parts = createParts(options, logFile, () => sync?.drained());
  const { table } = parts;
  const snapshot = await openSnapshot(options.snapshotPath, table, log);

  const listener = new Listener(parts, { host, port, fd, trusted: new TrustedPeers(options.trustedProxies) });
  await listener.start();

  const stopping = new AbortController();
  const routerId = `router-${randomBytes(6).toString('hex')}`;
  const client =
    options.controllerSocket === ''
      ? undefined
      : new HttpClient({ socketPath: options.controllerSocket, name: 'the controller' });
  const { signal } = stopping;
  const applied = () => snapshot?.changed();
  const silenceMs = parts.limits.controllerSilenceMs;
  if (client) sync = new RouteSync({ client, routerId, table, log, signal, silenceMs, applied });
  const following = sync?.run();
  const facts = adminFacts({
    parts,
    listener,
    routerId,
    isConnected: () => sync?.isConnected ?? false,
    logFile,
  });
  const admin = options.adminSocket === '' ? undefined : await startAdminSocket(options.adminSocket, facts);

  const stop = async () => {
    await listener.stop();
    stopping.abort();
    await following;
    client?.close();
    admin?.close();
    admin?.closeAllConnections();
    parts.pool.close();
    await snapshot?.close();
    parts.log.flush();
    await logFile?.close();
  };
  return { port: listener.port, table, parts, listener, stop };
}

function createParts(options: RouterOptions, logFile: LogFile | undefined, drained: () => void): ProxyParts {
  const limits = { ...defaultLimits, ...options.limits };
  const pool = new UpstreamPool(limits);
  const held = new HoldQueue(limits.waitingRequests);
  const table = new RouteTable({
    targetLeft: (target) => pool.forget(target),
    targetDrained: drained,
    changed: () => held.wake((exchange) => dispatchExchange(exchange, parts)),
  });
  const report = (err: unknown) => options.log.error({ err }, 'a connection failed inside the router');
  const parts: ProxyParts = { table, pool, held, log: new RequestLog(logFile), limits, report };
  return parts;
}

/** Puts the table on disk in force, and gives the writer that keeps it there. */
async function openSnapshot(
  path: string,
  table: RouteTable,
  log: Logger,
): Promise<SnapshotWriter | undefined> {
  if (path === '') return undefined;
  const lastTable = await readSnapshot(path, log);
  if (lastTable) table.apply(lastTable);
  return new SnapshotWriter(path, () => ({ version: table.version, routes: table.routes() }), log);
}

interface RunningFacts {
  parts: ProxyParts;
  listener: Listener;
  routerId: string;
  isConnected: () => boolean;
  logFile: LogFile | undefined;
}

function adminFacts({ parts, listener, routerId, isConnected, logFile }: RunningFacts) {
  const { table, pool, held, log } = parts;
  const startedAt = Date.now();
  return {
    log,
    health: () => ({
      ok: true,
      router: routerId,
      version: table.version,
      hosts: table.hostCount,
      controller: isConnected() ? 'connected' : 'away',
    }),
    stats: () => ({
      uptimeMs: Date.now() - startedAt,
      connections: { open: listener.connectionCount, accepted: listener.accepted, refused: listener.refused },
      requests: table.apps().reduce((sum, app) => sum + app.requests, 0),
      waiting: held.count,
      pooledConnections: pool.idleCount,
      droppedLogLines: logFile?.droppedLines ?? 0,
      draining: table.draining(),
      apps: table.apps(),
    }),
    table: () => ({ version: table.version, routes: table.routes() }),
  };
}
