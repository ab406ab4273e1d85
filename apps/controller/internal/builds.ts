// Internal endpoints of the builder: take a build, report its output, end it, look up an earlier one of the same key.
import type {
  BuildDurable,
  BuildOutput,
  FinishBuild,
  ImagesToKeep,
  RequeueBuilds,
  StartBuild,
  StartedBuild,
} from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { appById, listUnsetVars } from '@berth/store/queries/apps.ts';
import {
  type BuildRow,
  buildById,
  buildByKey,
  imagesOfOwner,
  markDurable,
  requeueBuilds,
  takeBuild,
} from '@berth/store/queries/builds.ts';
import { imagesToKeep, releaseById } from '@berth/store/queries/releases.ts';
import { userById } from '@berth/store/queries/users.ts';
import type { Static, TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { readVars } from '../operations/change-config.ts';
import { finishBuild } from '../operations/finish-build.ts';
import type { Services } from '../services.ts';
import type { BuildHeartbeats } from '../sweep.ts';

/** So many releases of an app can be rolled back to; older images are dropped. */
const keptReleases = 50;

type ById = { Params: { id: string } };

export function buildEndpoints(
  server: FastifyInstance,
  services: Services,
  heartbeats: BuildHeartbeats,
  schemas: Record<'StartBuild' | 'BuildOutput' | 'FinishBuild' | 'RequeueBuilds' | 'BuildDurable', TSchema>,
): void {
  const { db } = services;
  server.post<ById & { Body: Static<typeof StartBuild> }>(
    '/internal/builds/:id/start',
    { schema: { body: schemas.StartBuild } },
    async (request) => {
      heartbeats.beat(request.params.id);
      return startBuild(services, request.params.id, request.body.worker);
    },
  );

  server.post<ById & { Body: Static<typeof BuildOutput> }>(
    '/internal/builds/:id/output',
    { schema: { body: schemas.BuildOutput } },
    async (request) => {
      const { epoch, text } = request.body;
      const build = await buildById(db, request.params.id);
      if (!build) throw new AppError('not_found', `there is no build "${request.params.id}"`);
      if (build.status === 'canceled' || build.status === 'superseded') return { canceled: true };
      if (build.epoch !== epoch || build.status !== 'running')
        throw new AppError('stale_epoch', `build ${build.number} is not this builder's any more`);
      heartbeats.beat(build.id);
      if (text !== '' && build.push_id)
        await services.output.append(build.push_id, text.replace(/\n$/, '').split('\n'));
      return { canceled: false };
    },
  );

  server.post<ById & { Body: FinishBuild }>(
    '/internal/builds/:id/finish',
    { schema: { body: schemas.FinishBuild } },
    async (request, reply) => {
      await finishBuild(services, request.params.id, request.body);
      heartbeats.forget(request.params.id);
      return reply.code(204).send();
    },
  );

  server.post<ById & { Body: Static<typeof BuildDurable> }>(
    '/internal/builds/:id/durable',
    { schema: { body: schemas.BuildDurable } },
    async (request, reply) => {
      const build = await buildById(db, request.params.id);
      if (!build || !(await markDurable(db, build.id, request.body.epoch)))
        throw new AppError('stale_epoch', 'the build is not this builder\u2019s any more');
      if (build.push_id) services.output.ring(build.push_id);
      return reply.code(204).send();
    },
  );

  server.get('/internal/images', async (): Promise<ImagesToKeep> => {
    return { images: await imagesToKeep(db, keptReleases) };
  });

  server.get<{ Querystring: { app: string; key: string } }>('/internal/builds/by-key', async (request) => {
    const build = await buildByKey(db, request.query.app, request.query.key);
    if (!build?.result) throw new AppError('not_found', 'no build with this key');
    return { number: build.number, result: build.result };
  });

  server.post<{ Body: Static<typeof RequeueBuilds> }>(
    '/internal/builds/requeue',
    { schema: { body: schemas.RequeueBuilds } },
    async (request) => {
      const builds = await requeueBuilds(db, request.body.worker);
      for (const build of builds) {
        const row = await buildById(db, build.id);
        if (row) await services.queues.addBuild(row.id, row.epoch);
      }
      return { requeued: builds.length };
    },
  );
}

async function startBuild(
  services: Services,
  id: string,
  worker: string,
): Promise<Static<typeof StartedBuild>> {
  const epoch = await takeBuild(services.db, id, worker);
  const build = await buildById(services.db, id);
  if (!build) throw new AppError('not_found', `there is no build "${id}"`);
  if (epoch === undefined)
    throw new AppError('conflict', `build ${build.number} has ended (${build.status})`);
  const app = await appById(services.db, build.app_id);
  if (!app) throw new AppError('not_found', `there is no app "${build.app_id}"`);
  return {
    id: build.id,
    number: build.number,
    epoch,
    appId: app.id,
    appName: app.name,
    // An image has neither, and its build reads neither.
    commit: build.commit_oid ?? '',
    tree: build.tree_oid ?? '',
    repository: build.repository,
    objectDirectories: build.object_directories,
    buildVars: await readVars(services, services.db, app.id, app.config_number),
    settings: build.settings,
    ...(await rebaseOf(services, build, app.current_release_id)),
    ...(await imageOf(services, build, app.current_release_id)),
    noCache: build.no_cache,
    unsetVars: await listUnsetVars(services.db, app.id),
  };
}

/** Which image is wanted, and which of those on the engine its user may have: another's must not become readable by deploying it. */
async function imageOf(
  { db }: Services,
  build: BuildRow,
  releaseId: string | null,
): Promise<Pick<Static<typeof StartedBuild>, 'image'>> {
  if (!build.image_request) return {};
  const [release, user, own] = await Promise.all([
    releaseId === null ? undefined : releaseById(db, releaseId),
    userById(db, build.user_id),
    imagesOfOwner(db, build.user_id),
  ]);
  const current = release?.image ?? null;
  return { image: { ...build.image_request, current, mayTakeAny: user?.admin === true, own } };
}

/** What the current release was made of, for a build that only gives it another stack. */
async function rebaseOf(
  services: Services,
  build: BuildRow,
  releaseId: string | null,
): Promise<Pick<Static<typeof StartedBuild>, 'rebase'>> {
  if (build.trigger !== 'rebase') return {};
  const release = releaseId === null ? undefined : await releaseById(services.db, releaseId);
  const built = release && (await buildById(services.db, release.build_id));
  if (!built?.result) throw new AppError('conflict', 'the app has no release to rebase any more');
  return { rebase: { result: built.result } };
}
