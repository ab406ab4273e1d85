// Releases and their deployments. Numbers without gaps; at most one unfinished deployment an app; one pointer to the current release.
import type { ProcessTypes } from '@berth/contract/build.ts';
import type { ReleaseManifest } from '@berth/contract/manifest.ts';
import type { DeploymentState } from '@berth/contract/release.ts';
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface ReleaseRow {
  id: string;
  app_id: string;
  number: number;
  build_id: string;
  build_number: number;
  commit_oid: string | null;
  config_number: number;
  image: string;
  process_types: ProcessTypes;
  port: number;
  run_user: string;
  /** {} for releases of before there were manifests. */
  manifest: Partial<ReleaseManifest>;
  description: string;
  user_name: string;
  output_id: string;
  created_at: Date;
  state: DeploymentState;
  error: string | null;
  current: boolean;
}

// The deployment that decides a release's status is its first: a later restart that fails does not unmake the release.
const selectRelease = `SELECT r.id, r.app_id, r.number, r.build_id, b.number AS build_number, b.commit_oid, r.config_number, r.image,
    r.process_types, r.port, r.run_user, r.manifest, r.description, u.name AS user_name, r.output_id, r.created_at, d.state, d.error,
    (a.current_release_id = r.id) IS TRUE AS current
  FROM releases r JOIN builds b ON b.id = r.build_id JOIN users u ON u.id = r.user_id JOIN apps a ON a.id = r.app_id
    JOIN deployments d ON d.release_id = r.id AND d.kind = 'release'`;

type Row = ReleaseRow & Record<string, unknown>;

export interface NewRelease {
  appId: string;
  number: number;
  buildId: string;
  configNumber: number;
  image: string;
  processTypes: ProcessTypes;
  port: number;
  runUser: string;
  manifest?: Partial<ReleaseManifest>;
  description: string;
  userId: string;
  outputId?: string;
}

export async function insertRelease(tx: Queryable, release: NewRelease): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO releases (id, app_id, number, build_id, config_number, image, process_types, port, run_user, description, user_id, output_id, manifest)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      id,
      release.appId,
      release.number,
      release.buildId,
      release.configNumber,
      release.image,
      JSON.stringify(release.processTypes),
      release.port,
      release.runUser,
      release.description,
      release.userId,
      release.outputId ?? id,
      JSON.stringify(release.manifest ?? {}),
    ],
  );
  return id;
}

export function releaseById(db: Queryable, id: string): Promise<ReleaseRow | undefined> {
  return first<Row>(db, `${selectRelease} WHERE r.id = $1`, [id]);
}

export function releaseByNumber(
  db: Queryable,
  appId: string,
  number: number,
): Promise<ReleaseRow | undefined> {
  return first<Row>(db, `${selectRelease} WHERE r.app_id = $1 AND r.number = $2`, [appId, number]);
}

export function listReleases(db: Queryable, appId: string, limit: number): Promise<ReleaseRow[]> {
  return all<Row>(db, `${selectRelease} WHERE r.app_id = $1 ORDER BY r.number DESC LIMIT $2`, [appId, limit]);
}

/** What a config change builds on: the newest release that has not failed, live or on its way. */
export function newestUsableRelease(db: Queryable, appId: string): Promise<ReleaseRow | undefined> {
  return first<Row>(
    db,
    `${selectRelease} WHERE r.app_id = $1 AND (d.state NOT IN ('failed', 'superseded') OR r.id = a.current_release_id)
     ORDER BY r.number DESC LIMIT 1`,
    [appId],
  );
}

/** The release before the current one that has served: where `rollback` without a number goes. */
export function previousGoodRelease(
  db: Queryable,
  appId: string,
  below: number,
): Promise<ReleaseRow | undefined> {
  return first<Row>(
    db,
    `${selectRelease} WHERE r.app_id = $1 AND r.number < $2 AND d.state = 'succeeded' ORDER BY r.number DESC LIMIT 1`,
    [appId, below],
  );
}

export function releaseOfOutput(db: Queryable, outputId: string): Promise<ReleaseRow | undefined> {
  return first<Row>(db, `${selectRelease} WHERE r.output_id = $1 ORDER BY r.number DESC LIMIT 1`, [outputId]);
}

export interface DeploymentRow {
  id: string;
  app_id: string;
  release_id: string;
  gen: number;
  kind: 'release' | 'restart';
  state: DeploymentState;
  error: string | null;
  hint: string | null;
  superseded_by: string | null;
  route_version: number | null;
  age_ms: number;
  state_ms: number;
}

const selectDeployment = `SELECT id, app_id, release_id, gen, kind, state, error, hint, superseded_by, route_version,
  (extract(epoch FROM clock_timestamp() - created_at) * 1000)::integer AS age_ms,
  (extract(epoch FROM clock_timestamp() - state_at) * 1000)::integer AS state_ms FROM deployments`;

const unfinished = "state IN ('pending', 'release_phase', 'starting')";

export function activeDeployment(db: Queryable, appId: string): Promise<DeploymentRow | undefined> {
  return first<DeploymentRow & Record<string, unknown>>(
    db,
    `${selectDeployment} WHERE app_id = $1 AND ${unfinished}`,
    [appId],
  );
}

export function deploymentById(db: Queryable, id: string): Promise<DeploymentRow | undefined> {
  return first<DeploymentRow & Record<string, unknown>>(db, `${selectDeployment} WHERE id = $1`, [id]);
}

export function deploymentOfRelease(db: Queryable, releaseId: string): Promise<DeploymentRow | undefined> {
  return first<DeploymentRow & Record<string, unknown>>(
    db,
    `${selectDeployment} WHERE release_id = $1 AND kind = 'release'`,
    [releaseId],
  );
}

export async function insertDeployment(
  tx: Queryable,
  deployment: { appId: string; releaseId: string; gen: number; kind: 'release' | 'restart' },
): Promise<string> {
  const id = newId();
  await tx.query(
    `UPDATE deployments SET state = 'superseded', state_at = now(), superseded_by = $2 WHERE app_id = $1 AND ${unfinished}`,
    [deployment.appId, id],
  );
  await tx.query('INSERT INTO deployments (id, app_id, release_id, gen, kind) VALUES ($1, $2, $3, $4, $5)', [
    id,
    deployment.appId,
    deployment.releaseId,
    deployment.gen,
    deployment.kind,
  ]);
  return id;
}

/** Compare-and-set of the state; false when it was not in `from` any more. */
export async function moveDeployment(
  tx: Queryable,
  id: string,
  from: DeploymentState,
  to: DeploymentState,
  facts: { error?: string; hint?: string; routeVersion?: number },
): Promise<boolean> {
  const result = await tx.query(
    `UPDATE deployments SET state = $3, state_at = now(), error = coalesce($4, error), hint = coalesce($5, hint),
       route_version = coalesce($6, route_version) WHERE id = $1 AND state = $2 AND ${unfinished}`,
    [id, from, to, facts.error ?? null, facts.hint ?? null, facts.routeVersion ?? null],
  );
  return result.rowCount === 1;
}

export async function setCurrentRelease(
  tx: Queryable,
  appId: string,
  releaseId: string,
  gen: number,
): Promise<void> {
  await tx.query('UPDATE apps SET current_release_id = $2, current_gen = $3 WHERE id = $1', [
    appId,
    releaseId,
    gen,
  ]);
}

/** Apps with a deployment that has not ended: the sweeper wakes the scheduler for them. */
export function deployingApps(db: Queryable): Promise<{ app_id: string }[]> {
  return all<{ app_id: string }>(
    db,
    `SELECT app_id FROM deployments WHERE ${unfinished} AND created_at < now() - interval '5 seconds'`,
  );
}

/** The streams of the newest releases of one build. */
export async function outputsOfBuild(db: Queryable, buildId: string): Promise<string[]> {
  const rows = await all<{ output_id: string }>(
    db,
    'SELECT output_id FROM releases WHERE build_id = $1 ORDER BY number DESC LIMIT 10',
    [buildId],
  );
  return rows.map((row) => row.output_id);
}

/** Images that must stay: those of each living app's newest releases, which a rollback may name, and of everything that runs. */
export async function imagesToKeep(db: Queryable, releasesEach: number): Promise<string[]> {
  const rows = await all<{ image: string }>(
    db,
    `SELECT image FROM (
       SELECT r.image, row_number() OVER (PARTITION BY r.app_id ORDER BY r.number DESC) AS nth
       FROM releases r JOIN apps a ON a.id = r.app_id WHERE a.deleted_at IS NULL) newest WHERE nth <= $1
     UNION SELECT r.image FROM releases r JOIN instances i ON i.release_id = r.id
     UNION SELECT r.image FROM releases r JOIN apps a ON a.current_release_id = r.id AND a.deleted_at IS NULL
     UNION SELECT b.result->>'image' FROM builds b WHERE b.status = 'succeeded' AND b.finished_at > now() - interval '1 hour'`,
    [releasesEach],
  );
  return rows.map((row) => row.image);
}
