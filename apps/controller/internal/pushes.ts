// Internal endpoints of the git receiver: may this request, start this push, follow it, it has landed.

import { appNamePattern } from '@berth/contract/names.ts';
import type { GitAuthorize, PushLanded, StartPush } from '@berth/contract/push.ts';
import { AppError } from '@berth/kit/errors.ts';
import { markLanded, pushById } from '@berth/store/queries/pushes.ts';
import type { Static, TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { authenticate, authorizeApp } from '../authenticate.ts';
import { followPushOutput } from '../follow-push-output.ts';
import { startPush } from '../operations/start-push.ts';
import type { Services } from '../services.ts';

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
      await followPushOutput(services, request, reply, {
        pushId: id,
        after: Number(request.query.after ?? 0),
      });
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
