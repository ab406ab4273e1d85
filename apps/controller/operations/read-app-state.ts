// One app's state as the scheduler plans from it, read in one snapshot.
import type { AppState, SchedulerHost, SchedulerInstance } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import { type Queryable, readSnapshot } from '@berth/store/database.ts';
import { appById, listFormation } from '@berth/store/queries/apps.ts';
import { type HostRow, listHosts } from '@berth/store/queries/hosts.ts';
import { type InstanceRow, instancesOfApp } from '@berth/store/queries/instances.ts';
import { activeDeployment, releaseById } from '@berth/store/queries/releases.ts';
import type { RouteTable } from '../route-table.ts';
import type { Services } from '../services.ts';

/** A host is suspect after three missed heartbeats of 2 s and lost after six; a blip of 5 s changes nothing. */
const suspectMs = 6000;
const lostMs = 12_000;

export async function readAppState(
  services: Pick<Services, 'db' | 'routes'>,
  appId: string,
): Promise<AppState> {
  const rows = await services.db.transaction(async (tx) => {
    await readSnapshot(tx);
    return readRows(tx, appId);
  });
  const { app, deployment } = rows;
  return {
    appId,
    app: app.name,
    version: app.version,
    deleted: app.deleted_at !== null,
    currentReleaseId: app.current_release_id,
    currentGen: app.current_gen,
    formation: rows.formation.map((row) => ({
      processType: row.process_type,
      quantity: row.quantity,
      memoryMb: row.memory_mb,
    })),
    deployment: deployment
      ? {
          id: deployment.id,
          releaseId: deployment.release_id,
          gen: deployment.gen,
          state: deployment.state,
          ageMs: Math.max(0, deployment.age_ms),
          stateMs: Math.max(0, deployment.state_ms),
        }
      : null,
    releases: rows.releases.map((row) => ({
      id: row.id,
      number: row.number,
      processTypes: row.process_types,
    })),
    instances: rows.instances.map((row) => toInstance(row, services.routes)),
    hosts: rows.hosts.map(toHost),
    routersAcked: services.routes.acked(),
    routeVersion: services.routes.version,
  };
}

async function readRows(tx: Queryable, appId: string) {
  const app = await appById(tx, appId);
  if (!app) throw new AppError('not_found', `there is no app "${appId}"`);
  const formation = await listFormation(tx, appId);
  const deployment = await activeDeployment(tx, appId);
  const instances = await instancesOfApp(tx, appId);
  const hosts = await listHosts(tx);
  const named = new Set([
    app.current_release_id,
    deployment?.release_id,
    ...instances.map((row) => row.release_id),
  ]);
  const releases = [];
  for (const id of named) {
    const release = id ? await releaseById(tx, id) : undefined;
    if (release) releases.push(release);
  }
  return { app, formation, deployment, instances, hosts, releases };
}

function toInstance(row: InstanceRow, routes: RouteTable): SchedulerInstance {
  return {
    id: row.id,
    releaseId: row.release_id,
    gen: row.gen,
    processType: row.process_type,
    slot: row.slot,
    hostId: row.host_id,
    desired: row.desired,
    state: row.state,
    oneOff: row.one_off,
    routed: row.routed,
    unroutedVersion: row.unrouted_version,
    unroutedMsAgo: row.unrouted_ms_ago,
    inFlight: row.unrouted_version === null ? null : routes.inFlight(row.id),
    restarts: row.restarts,
    exitCode: row.exit_code,
    fatal: row.fatal,
    message: row.message,
    tail: row.tail,
    createdMsAgo: row.created_ms_ago,
    memoryMb: row.memory_mb,
  };
}

function toHost(row: HostRow): SchedulerHost {
  const state = row.silent_ms > lostMs ? 'lost' : row.silent_ms > suspectMs ? 'suspect' : 'ready';
  return {
    id: row.id,
    name: row.name,
    state,
    memoryMb: row.memory_mb,
    reservedMb: row.reserved_mb,
    cpus: row.cpus,
    instances: row.instances,
  };
}
