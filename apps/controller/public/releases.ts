// Public endpoints: releases, rollback, builds, and the output of both.
import { Build } from '@berth/contract/build.ts';
import { Release, ReleaseMade, RollbackRequest } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import { buildByNumber, listBuilds } from '@berth/store/queries/builds.ts';
import { listReleases, releaseById, releaseByNumber } from '@berth/store/queries/releases.ts';
import { type Static, Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { cancelBuild } from '../operations/cancel-build.ts';
import { pushOutcome, releaseOutcome } from '../operations/push-outcome.ts';
import { rebaseApp } from '../operations/rebase-app.ts';
import { rollBack } from '../operations/roll-back.ts';
import { sendGenerated } from '../send-lines.ts';
import type { Services } from '../services.ts';
import { showBuild, showRelease } from '../show.ts';
import { appParams, type ForApp, numberedParams, numberOf } from './for-app.ts';

const limitQuery = Type.Object({ limit: Type.Integer({ minimum: 1, maximum: 1000, default: 20 }) });
const followQuery = Type.Object({
  after: Type.Integer({ minimum: 0, default: 0 }),
  follow: Type.Integer({ minimum: 0, maximum: 1, default: 1 }),
});
type Limit = { Querystring: Static<typeof limitQuery> };
type Follow = { Querystring: Static<typeof followQuery> };

export function releaseEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  const { db } = services;
  server.get<Limit>(
    '/v1/apps/:app/releases',
    {
      schema: {
        summary: 'Releases, newest first',
        params: appParams,
        querystring: limitQuery,
        response: { 200: Type.Object({ releases: Type.Array(Release) }) },
      },
    },
    async (request) => {
      const app = await forApp(request);
      return { releases: (await listReleases(db, app.id, request.query.limit)).map(showRelease) };
    },
  );
  server.get(
    '/v1/apps/:app/releases/:number',
    { schema: { summary: 'One release', params: numberedParams, response: { 200: Release } } },
    async (request) => {
      const app = await forApp(request);
      return showRelease(await findRelease(services, app.id, numberOf(request)));
    },
  );
  server.get<Follow>(
    '/v1/apps/:app/releases/:number/output',
    {
      schema: {
        summary: 'What happened while it was made and deployed (newline-delimited JSON)',
        params: numberedParams,
        querystring: followQuery,
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      const release = await findRelease(services, app.id, numberOf(request));
      const ending = async () => {
        const now = await releaseById(db, release.id);
        return now && releaseOutcome(services, now);
      };
      await sendGenerated(request, reply, (signal) =>
        services.output.follow(release.output_id, request.query.after, {
          follow: request.query.follow === 1,
          ending,
          signal,
        }),
      );
    },
  );
  server.post<{ Body: Static<typeof RollbackRequest> | null }>(
    '/v1/apps/:app/rollback',
    {
      schema: {
        summary: 'Make a release that points back',
        params: appParams,
        body: Type.Union([RollbackRequest, Type.Null()]),
        response: { 201: ReleaseMade },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      const made = await rollBack(services, request.user, app.id, request.body?.to);
      return reply.code(201).send({ release: showRelease(await findRelease(services, app.id, made.number)) });
    },
  );
  buildEndpoints(server, services, forApp);
}

function buildEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  const { db } = services;
  const find = async (appId: string, number: number) => {
    const build = await buildByNumber(db, appId, number);
    if (!build) throw new AppError('not_found', `there is no build ${number}`, { hint: 'see: berth builds' });
    return build;
  };
  server.get<Limit>(
    '/v1/apps/:app/builds',
    {
      schema: {
        summary: 'Builds, newest first',
        params: appParams,
        querystring: limitQuery,
        response: { 200: Type.Object({ builds: Type.Array(Build) }) },
      },
    },
    async (request) => {
      const app = await forApp(request);
      return { builds: (await listBuilds(db, app.id, request.query.limit)).map(showBuild) };
    },
  );
  server.post(
    '/v1/apps/:app/rebase',
    {
      schema: {
        summary: "Put the current release's image onto the newest stack: a new release, without a build",
        params: appParams,
        response: { 202: Build },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      return reply.code(202).send(showBuild(await rebaseApp(services, request.user, app.id)));
    },
  );
  server.get(
    '/v1/apps/:app/builds/:number',
    { schema: { summary: 'One build', params: numberedParams, response: { 200: Build } } },
    async (request) => {
      const app = await forApp(request);
      return showBuild(await find(app.id, numberOf(request)));
    },
  );
  server.get<Follow>(
    '/v1/apps/:app/builds/:number/output',
    {
      schema: {
        summary: 'What the build printed (newline-delimited JSON)',
        params: numberedParams,
        querystring: followQuery,
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      const build = await find(app.id, numberOf(request));
      const pushId = build.push_id ?? '';
      await sendGenerated(request, reply, (signal) =>
        services.output.follow(pushId, request.query.after, {
          follow: request.query.follow === 1,
          ending: () => pushOutcome(services, pushId),
          signal,
        }),
      );
    },
  );
  server.post(
    '/v1/apps/:app/builds/:number/cancel',
    {
      schema: {
        summary: 'Cancel a build that has not ended',
        params: numberedParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      await cancelBuild(services, request.user, app.id, numberOf(request));
      return reply.code(204).send(null);
    },
  );
}

async function findRelease(services: Pick<Services, 'db'>, appId: string, number: number) {
  const release = await releaseByNumber(services.db, appId, number);
  if (!release)
    throw new AppError('not_found', `there is no release v${number}`, { hint: 'see: berth releases' });
  return release;
}
