// Rows as the API shows them.
import type { App } from '@berth/contract/app.ts';
import type { Build } from '@berth/contract/build.ts';
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
    commit: row.commit_oid,
    processTypes: row.process_types,
    configVersion: row.config_number,
    error: row.error,
    createdAt: row.created_at.toISOString(),
  };
}

export function showBuild(row: BuildRow): Build {
  return {
    number: row.number,
    status: row.status,
    commit: row.commit_oid,
    tree: row.tree_oid,
    image: row.result?.image ?? null,
    language: row.result?.language ?? null,
    reused: row.result?.reused ?? false,
    steps: row.steps,
    error: row.error,
    user: row.user_name,
    createdAt: row.created_at.toISOString(),
    finishedAt: row.finished_at?.toISOString() ?? null,
  };
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
