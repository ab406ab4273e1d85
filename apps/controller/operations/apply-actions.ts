// Executes what the scheduler decided: one transaction, fenced by its lease and by the version of the app that it planned from.
import type { Action, ApplyActions } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { Queryable } from '@berth/store/database.ts';
import { type AppRow, listFormation, lockApp, touchApp } from '@berth/store/queries/apps.ts';
import { keepCronEnds } from '@berth/store/queries/cron.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { holdsLease } from '@berth/store/queries/hosts.ts';
import {
  forgetInstances,
  insertInstance,
  instancesOfApp,
  loseInstances,
  placeInstance,
  routeInstances,
  stopInstances,
  unrouteInstances,
} from '@berth/store/queries/instances.ts';
import { insertOutput } from '@berth/store/queries/output.ts';
import {
  deploymentById,
  moveDeployment,
  outputsOfBuild,
  releaseById,
  setCurrentRelease,
} from '@berth/store/queries/releases.ts';
import { nextRouteVersion } from '@berth/store/queries/routes.ts';
import { appUrl } from '../app-url.ts';
import type { ChangedInstance } from '../desired-sets.ts';
import type { Services } from '../services.ts';
import { afterDeployment } from './after-deployment.ts';

interface Change {
  app: AppRow;
  routeVersion: number | null;
  changed: ChangedInstance[];
  outputs: Set<string>;
  /** One-offs were made that the scheduler must place. */
  hasRuns: boolean;
}

type Needed = Pick<Services, 'db' | 'routes' | 'desired' | 'output' | 'config' | 'hints'>;

export async function applyActions(
  services: Needed,
  appId: string,
  request: ApplyActions,
): Promise<{ version: number; routeVersion: number }> {
  const { change, version } = await services.db.transaction(async (tx) => {
    if (!(await holdsLease(tx, 'scheduler', request.epoch)))
      throw new AppError('stale_epoch', 'another scheduler holds the lease');
    const app = await lockApp(tx, appId);
    if (!app) throw new AppError('not_found', `there is no app "${appId}"`);
    if (app.version !== request.version)
      throw new AppError(
        'conflict',
        `app "${app.name}" has changed (version ${app.version}, planned from ${request.version})`,
      );
    const made: Change = { app, routeVersion: null, changed: [], outputs: new Set(), hasRuns: false };
    const moves = request.actions.some((action) => action.kind === 'route' || action.kind === 'unroute');
    if (moves) made.routeVersion = await nextRouteVersion(tx);
    const before = await hostsOf(tx, appId);
    for (const action of request.actions) await execute(tx, services, made, action, before);
    const moved = describeMoves(request.actions);
    if (moved.length > 0) await recordEvent(tx, { appId, kind: 'instances.change', data: { moved } });
    return { change: made, version: await touchApp(tx, appId) };
  });
  await publish(services, change);
  return { version, routeVersion: services.routes.version };
}

/** What an event says of a plan: deployments have events of their own, and lines for a pusher change nothing. */
function describeMoves(actions: Action[]): string[] {
  return actions.flatMap((action) => {
    switch (action.kind) {
      case 'create':
        return [`create ${action.processType}.${action.slot}`];
      case 'place':
        return [`place ${action.instanceId}`];
      case 'deployment':
      case 'output':
        return [];
      default:
        return [`${action.kind} ${action.instanceIds.join(' ')}`];
    }
  });
}

/** Where each instance lives, for telling the host about rows that are gone after this. */
async function hostsOf(tx: Queryable, appId: string): Promise<Map<string, string>> {
  const rows = await instancesOfApp(tx, appId);
  return new Map(rows.flatMap((row) => (row.host_id ? [[row.id, row.host_id] as const] : [])));
}

async function execute(
  tx: Queryable,
  services: Needed,
  made: Change,
  action: Action,
  hosts: Map<string, string>,
): Promise<void> {
  const appId = made.app.id;
  const changed = (ids: string[]) => {
    for (const id of ids) {
      const hostId = hosts.get(id);
      if (hostId) made.changed.push({ id, hostId });
    }
  };
  switch (action.kind) {
    case 'create':
      return createInstance(tx, made, action);
    case 'place':
      if (await placeInstance(tx, appId, action.instanceId, action.hostId))
        made.changed.push({ id: action.instanceId, hostId: action.hostId });
      return;
    case 'route':
      if ((await routeInstances(tx, appId, action.instanceIds)) !== action.instanceIds.length)
        throw new AppError('conflict', 'an instance to be routed is not ready any more');
      return;
    case 'unroute':
      return unrouteInstances(tx, appId, action.instanceIds, made.routeVersion ?? 0);
    case 'stop':
      changed(action.instanceIds);
      return stopInstances(tx, appId, action.instanceIds);
    case 'forget':
      changed(action.instanceIds);
      await keepCronEnds(tx, action.instanceIds);
      return forgetInstances(tx, appId, action.instanceIds);
    case 'lose':
      return loseInstances(tx, appId, action.instanceIds);
    case 'deployment':
      return advance(tx, services, made, action);
    case 'output':
      return writeLines(tx, made, action.deploymentId, action.lines);
  }
}

async function createInstance(
  tx: Queryable,
  made: Change,
  action: Extract<Action, { kind: 'create' }>,
): Promise<void> {
  const formation = await listFormation(tx, made.app.id);
  const size = formation.find((row) => row.process_type === (action.oneOff ? 'web' : action.processType));
  const id = await insertInstance(tx, { ...action, appId: made.app.id, memoryMb: size?.memory_mb ?? 512 });
  made.changed.push({ id, hostId: action.hostId });
}

async function advance(
  tx: Queryable,
  services: Needed,
  made: Change,
  action: Extract<Action, { kind: 'deployment' }>,
): Promise<void> {
  const deployment = await deploymentById(tx, action.deploymentId);
  if (!deployment || deployment.app_id !== made.app.id)
    throw new AppError('not_found', `there is no deployment "${action.deploymentId}"`);
  const ended = action.to === 'succeeded' || action.to === 'failed';
  const moved = await moveDeployment(tx, action.deploymentId, action.from, action.to, {
    ...(action.error === undefined ? {} : { error: action.error }),
    ...(action.hint === undefined ? {} : { hint: action.hint }),
    ...(made.routeVersion === null ? {} : { routeVersion: made.routeVersion }),
  });
  if (!moved) throw new AppError('conflict', `the deployment is not "${action.from}" any more`);
  const release = await releaseById(tx, deployment.release_id);
  const lines = [...(action.output ?? [])];
  if (action.to === 'succeeded') {
    await setCurrentRelease(tx, made.app.id, deployment.release_id, deployment.gen);
    if (deployment.kind === 'release')
      lines.push(`-----> Released v${release?.number}`, `       ${appUrl(services.config, made.app.name)}`);
    if (release) {
      const aftermath = await afterDeployment(tx, made.app, deployment, release);
      lines.push(...aftermath.lines);
      made.hasRuns ||= aftermath.hasRuns;
    }
  }
  await writeLines(tx, made, action.deploymentId, lines);
  // A release that this one superseded with the same build shares its fate: its follower must hear of it too.
  if (release) for (const outputId of await outputsOfBuild(tx, release.build_id)) made.outputs.add(outputId);
  if (ended)
    await recordEvent(tx, {
      appId: made.app.id,
      kind: `deployment.${action.to}`,
      data: {
        release: release?.number,
        kind: deployment.kind,
        ...(action.error ? { error: action.error } : {}),
      },
    });
}

async function writeLines(tx: Queryable, made: Change, deploymentId: string, lines: string[]): Promise<void> {
  if (lines.length === 0) return;
  const deployment = await deploymentById(tx, deploymentId);
  const release = deployment && (await releaseById(tx, deployment.release_id));
  if (!release || deployment.kind === 'restart') return; // a restart has no follower, and its release's stream has ended
  await insertOutput(tx, release.output_id, lines);
  made.outputs.add(release.output_id);
}

async function publish(services: Needed, change: Change): Promise<void> {
  const routes = services.routes.refresh(change.app.id, change.routeVersion ?? undefined);
  const desired = change.changed.length > 0 ? services.desired.publish(change.changed) : undefined;
  await Promise.all([routes, desired]);
  for (const outputId of change.outputs) services.output.ring(outputId);
  // What was planned is done; a deployment that ended may have left one-offs to place.
  if (change.hasRuns) services.hints.app(change.app.id);
}
