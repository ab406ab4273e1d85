// Rows as the API shows them.
import type { App } from '@berth/contract/app.ts';
import type { Build, BuildLayer } from '@berth/contract/build.ts';
import type { Instance } from '@berth/contract/instance.ts';
import type { Release } from '@berth/contract/release.ts';
import type { AppRow } from '@berth/store/queries/apps.ts';
import type { BuildRow } from '@berth/store/queries/builds.ts';
import type { InstanceRow } from '@berth/store/queries/instances.ts';
import type { ReleaseRow } from '@berth/store/queries/releases.ts';
import { appUrl, gitUrl } from './app-url.ts';
import type { ControllerConfig } from './config.ts';

export function showApp(row: AppRow, config: ControllerConfig): App {
  return {
    id: row.id,
    name: row.name,
    owner: row.owner,
    url: appUrl(config, row.name),
    gitUrl: gitUrl(config, row.name),
    deployBranch: row.deploy_branch,
    release: row.current_number,
    createdAt: row.created_at.toISOString(),
  };
}

export function showRelease(row: ReleaseRow): Release {
  return {
    number: row.number,
    current: row.current,
    status: row.state,
    description: row.description,
    user: row.user_name,
    image: row.image,
    build: row.build_number,
    commit: row.commit_oid ?? '',
    processTypes: row.process_types,
    configVersion: row.config_number,
    error: row.error,
    createdAt: row.created_at.toISOString(),
  };
}

export function showBuild(row: BuildRow): Build {
  const { result } = row;
  const layers = shownLayers(row);
  return {
    number: row.number,
    status: row.status,
    commit: row.commit_oid,
    tree: row.tree_oid,
    image: result?.image ?? null,
    language: result?.language ?? null,
    trigger: row.trigger,
    // Builds of versions before these were recorded have none of them.
    detected: result?.detected ?? null,
    details: result?.details ?? [],
    warnings: result?.warnings ?? [],
    layers,
    sizeBytes: layers.length === 0 ? null : layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    settings: row.settings,
    noCache: row.no_cache,
    release: row.release_number,
    reused: result?.reused ?? false,
    steps: row.steps,
    error: row.error,
    user: row.user_name,
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
  };
}

/** A reused image brings the layers of the build that made it: here, none of them was made. */
function shownLayers({ result }: BuildRow): BuildLayer[] {
  const layers = result?.layers ?? [];
  if (!result?.reused) return layers;
  return layers.map(({ name, diffId, sizeBytes }) => ({ name, diffId, sizeBytes, cached: true }));
}

export function showInstance(row: InstanceRow, releaseNumber: number, host: string | null): Instance {
  return {
    id: row.id,
    name: `${row.process_type}.${row.slot}`,
    processType: row.process_type,
    slot: row.slot,
    release: releaseNumber,
    state: row.state,
    stopping: row.desired === 'stopped',
    host,
    restarts: row.restarts,
    message: row.message,
    since: row.state_at.toISOString(),
  };
}
