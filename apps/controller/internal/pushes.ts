// Internal endpoints of the git receiver: may this request, start this push, follow it, it has landed.

import { appNamePattern } from '@berth/contract/names.ts';
import type { GitAuthorize, PushLanded, StartPush } from '@berth/contract/push.ts';
import { AppError } from '@berth/kit/errors.ts';
import { markLanded, pushById } from '@berth/store/queries/pushes.ts';
import type { Static, TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { authenticate, authorizeApp } from '../authenticate.ts';
import { abandonPush } from '../operations/abandon-push.ts';
import { pushOutcome } from '../operations/push-outcome.ts';
import { startPush } from '../operations/start-push.ts';
import { sendGenerated } from '../send-lines.ts';
import type { Services } from '../services.ts';

/** A follower that lost its connection may come back within this time; then the push counts as abandoned. */
const returnLimitMs = 3000;

export function pushEndpoints(
  server: FastifyInstance,
  services: Services,
  schemas: { GitAuthorize: TSchema; StartPush: TSchema; PushLanded: TSchema },
): void {
  server.post<{ Body: Static<typeof GitAuthorize> }>(
    '/internal/git/authorize',
    { schema: { body: schemas.GitAuthorize } },
    async (request) => {
      const { authorization, app: name } = request.body;
      const user = await authenticate(services.db, authorization);
      if (!new RegExp(appNamePattern).test(name))
        throw new AppError('not_found', `there is no app "${name}"`);
      const app = await authorizeApp(services.db, user, name);
      return {
        appId: app.id,
        appName: app.name,
        userId: user.id,
        user: user.name,
        deployBranch: app.deploy_branch,
      };
    },
  );

  server.post<{ Body: StartPush }>(
    '/internal/pushes',
    { schema: { body: schemas.StartPush } },
    async (request, reply) => {
      const answer = await startPush(services, request.body);
      return reply.code('waited' in answer ? 200 : 201).send(answer);
    },
  );

  server.get<{ Params: { id: string }; Querystring: { after?: string } }>(
    '/internal/pushes/:id/output',
    async (request, reply) => {
      const { id } = request.params;
      if (!(await pushById(services.db, id))) throw new AppError('not_found', `there is no push "${id}"`);
      await sendGenerated(request, reply, (signal) =>
        services.output.follow(id, Number(request.query.after ?? 0), {
          follow: true,
          ending: () => pushOutcome(services, id),
          signal,
        }),
      );
      setTimeout(() => {
        if (services.output.followers(id) === 0)
          abandonPush(services, id).catch((err: unknown) =>
            services.log.warn({ err, push: id }, 'abandoning a push failed'),
          );
      }, returnLimitMs).unref();
    },
  );

  server.post<{ Params: { id: string }; Body: Static<typeof PushLanded> }>(
    '/internal/pushes/:id/landed',
    { schema: { body: schemas.PushLanded } },
    async (request, reply) => {
      const push = await pushById(services.db, request.params.id);
      if (!push) throw new AppError('not_found', `there is no push "${request.params.id}"`);
      await markLanded(services.db, push.id);
      services.bells.ring(`pushes ${push.app_id}`);
      return reply.code(204).send();
    },
  );
}
