// Internal endpoints of host agents: register, follow the desired set, report what is observed.
import type { ObservedReport, RegisterHost } from '@berth/contract/instance.ts';
import { AppError } from '@berth/kit/errors.ts';
import { hostById, registerHost } from '@berth/store/queries/hosts.ts';
import type { TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { reportObserved } from '../operations/report-observed.ts';
import { sendSubscribed } from '../send-lines.ts';
import type { Services } from '../services.ts';

type ById = { Params: { id: string } };

export function hostEndpoints(
  server: FastifyInstance,
  services: Services,
  schemas: { RegisterHost: TSchema; ObservedReport: TSchema },
): void {
  server.post<{ Body: RegisterHost }>(
    '/internal/hosts/register',
    { schema: { body: schemas.RegisterHost } },
    async (request) => {
      return { hostId: await registerHost(services.db, request.body) };
    },
  );

  server.get<ById & { Querystring: { session?: string } }>(
    '/internal/hosts/:id/desired',
    async (request, reply) => {
      const host = await hostById(services.db, request.params.id);
      if (!host) throw new AppError('not_found', `there is no host "${request.params.id}"`);
      if (host.session !== request.query.session)
        throw new AppError('stale_epoch', 'a newer session of this host has registered');
      await sendSubscribed(reply, (send) => services.desired.subscribe(host.id, send));
    },
  );

  server.post<ById & { Body: ObservedReport }>(
    '/internal/hosts/:id/observed',
    { schema: { body: schemas.ObservedReport } },
    async (request, reply) => {
      await reportObserved(services, request.params.id, request.body);
      return reply.code(204).send();
    },
  );
}
