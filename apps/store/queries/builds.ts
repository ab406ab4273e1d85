// Builds: taken by a builder under an epoch, finished once.
import type {
  BuildResult,
  BuildSettings,
  BuildStatus,
  BuildStep,
  BuildTrigger,
  ImageRequest,
} from '@berth/contract/build.ts';
import { all, first, type Queryable } from '../database.ts';
import { newId } from '../new-id.ts';

export interface BuildRow {
  id: string;
  app_id: string;
  number: number;
  push_id: string | null;
  user_id: string;
  user_name: string;
  /** null: a finished image was deployed. */
  commit_oid: string | null;
  tree_oid: string | null;
  repository: string;
  object_directories: string[];
  status: BuildStatus;
  result: BuildResult | null;
  steps: BuildStep[];
  error: string | null;
  hint: string | null;
  epoch: number;
  durable: boolean;
  settings: BuildSettings;
  trigger: BuildTrigger;
  no_cache: boolean;
  image_request: ImageRequest | null;
  created_at: Date;
  started_at: Date | null;
  release_number: number | null;
  finished_at: Date | null;
}

const selectBuild = `SELECT b.id, b.app_id, b.number, b.push_id, b.user_id, u.name AS user_name, b.commit_oid, b.tree_oid, b.repository,
    b.object_directories, b.status, b.result, b.steps, b.error, b.hint, b.epoch, b.durable, b.settings,
    b.trigger, b.no_cache, b.image_request, b.created_at, b.started_at, b.finished_at,
    (SELECT min(r.number) FROM releases r WHERE r.app_id = b.app_id AND r.build_id = b.id) AS release_number
  FROM builds b JOIN users u ON u.id = b.user_id`;

type Row = BuildRow & Record<string, unknown>;

export interface NewBuild {
  appId: string;
  number: number;
  /** null: no push made it. */
  pushId: string | null;
  userId: string;
  commit: string | null;
  tree: string | null;
  repository: string;
  objectDirectories: string[];
  trigger?: BuildTrigger;
  noCache?: boolean;
  image?: ImageRequest;
}

/** With the app's settings as they are now. */
export async function insertBuild(tx: Queryable, build: NewBuild): Promise<string> {
  const id = newId();
  await tx.query(
    `INSERT INTO builds (id, app_id, number, push_id, user_id, commit_oid, tree_oid, repository, object_directories, trigger, no_cache, image_request, settings)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, jsonb_build_object('buildpacks', buildpacks, 'stack', stack) FROM apps WHERE id = $2`,
    [
      id,
      build.appId,
      build.number,
      build.pushId,
      build.userId,
      build.commit,
      build.tree,
      build.repository,
      JSON.stringify(build.objectDirectories),
      build.trigger ?? 'push',
      build.noCache ?? false,
      build.image ? JSON.stringify(build.image) : null,
    ],
  );
  return id;
}

export function buildById(db: Queryable, id: string): Promise<BuildRow | undefined> {
  return first<Row>(db, `${selectBuild} WHERE b.id = $1`, [id]);
}

export function buildByNumber(db: Queryable, appId: string, number: number): Promise<BuildRow | undefined> {
  return first<Row>(db, `${selectBuild} WHERE b.app_id = $1 AND b.number = $2`, [appId, number]);
}

export function listBuilds(db: Queryable, appId: string, limit: number): Promise<BuildRow[]> {
  return all<Row>(db, `${selectBuild} WHERE b.app_id = $1 ORDER BY b.number DESC LIMIT $2`, [appId, limit]);
}

export function buildByKey(db: Queryable, appId: string, key: string): Promise<BuildRow | undefined> {
  return first<Row>(
    db,
    `${selectBuild} WHERE b.app_id = $1 AND b.key = $2 AND b.status = 'succeeded' ORDER BY b.number DESC LIMIT 1`,
    [appId, key],
  );
}

/** What the apps of a user were built as or released from, newest first. */
export async function imagesOfOwner(db: Queryable, userId: string): Promise<string[]> {
  const rows = await all<{ image: string }>(
    db,
    `SELECT b.result->>'image' AS image FROM builds b JOIN apps a ON a.id = b.app_id
     WHERE a.owner_id = $1 AND a.deleted_at IS NULL AND b.status = 'succeeded'
     GROUP BY 1 ORDER BY max(b.finished_at) DESC LIMIT 2000`,
    [userId],
  );
  return rows.map((row) => row.image);
}

/** A builder takes an unfinished build; its epoch goes up, so whoever held it before can report no more. */
export async function takeBuild(db: Queryable, id: string, worker: string): Promise<number | undefined> {
  const row = await first<{ epoch: number }>(
    db,
    `UPDATE builds SET status = 'running', worker = $2, epoch = epoch + 1, started_at = coalesce(started_at, now())
     WHERE id = $1 AND status IN ('pending', 'running') RETURNING epoch`,
    [id, worker],
  );
  return row?.epoch;
}

export interface BuildEnd {
  status: BuildStatus;
  result?: BuildResult;
  error?: string;
  hint?: string;
  steps?: BuildStep[];
}

/** Ends a build. With an epoch only its holder may; false when it has ended already or another holds it. */
export async function endBuild(tx: Queryable, id: string, end: BuildEnd, epoch?: number): Promise<boolean> {
  const done = await tx.query(
    `UPDATE builds SET status = $2, result = $3, key = $4, error = $5, hint = $6, steps = $7, finished_at = now(), epoch = epoch + $9
     WHERE id = $1 AND status IN ('pending', 'running') AND ($8::integer IS NULL OR epoch = $8)`,
    [
      id,
      end.status,
      end.result ? JSON.stringify(end.result) : null,
      end.result?.key ?? null,
      end.error ?? null,
      end.hint ?? null,
      JSON.stringify(end.result?.steps ?? end.steps ?? []),
      epoch ?? null,
      epoch === undefined ? 1 : 0,
    ],
  );
  return done.rowCount === 1;
}

/** Gives back what a worker left running; its old epoch is dead. */
export function requeueBuilds(db: Queryable, worker: string): Promise<{ id: string }[]> {
  return all<{ id: string }>(
    db,
    "UPDATE builds SET status = 'pending', epoch = epoch + 1 WHERE worker = $1 AND status = 'running' RETURNING id",
    [worker],
  );
}

export function unfinishedBuilds(
  db: Queryable,
): Promise<{ id: string; epoch: number; status: string; age_s: number }[]> {
  return all(
    db,
    `SELECT id, epoch, status, extract(epoch FROM now() - coalesce(started_at, created_at))::integer AS age_s
     FROM builds WHERE status IN ('pending', 'running')`,
  );
}

/** A build whose builder fell silent goes back; false when somebody else has moved it. */
export async function giveBackBuild(db: Queryable, id: string, epoch: number): Promise<boolean> {
  const result = await db.query(
    "UPDATE builds SET status = 'pending', epoch = epoch + 1 WHERE id = $1 AND epoch = $2 AND status = 'running'",
    [id, epoch],
  );
  return result.rowCount === 1;
}

/** Ends every unfinished build and push of an app that goes away. */
export async function endWorkOfApp(tx: Queryable, appId: string, reason: string): Promise<void> {
  await tx.query(
    `UPDATE builds SET status = 'canceled', error = $2, finished_at = now(), epoch = epoch + 1
     WHERE app_id = $1 AND status IN ('pending', 'running')`,
    [appId, reason],
  );
  await tx.query(
    "UPDATE pushes SET status = 'rejected', reason = $2, finished_at = now() WHERE app_id = $1 AND status = 'open'",
    [appId, reason],
  );
}

/** The image is on disk. False when another builder has the build. */
export async function markDurable(db: Queryable, id: string, epoch: number): Promise<boolean> {
  const result = await db.query(
    "UPDATE builds SET durable = true WHERE id = $1 AND epoch = $2 AND status = 'succeeded'",
    [id, epoch],
  );
  return result.rowCount === 1;
}
