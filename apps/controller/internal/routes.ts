// Internal endpoints of routers: follow the route table, acknowledge it.
import type { RouteAck } from '@berth/contract/route.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { sendSubscribed } from '../send-lines.ts';
import type { Services } from '../services.ts';

export function routeEndpoints(
  server: FastifyInstance,
  services: Services,
  schemas: { RouteAck: TSchema },
): void {
  server.get<{ Querystring: { router?: string } }>('/internal/routes/stream', async (request, reply) => {
    const { router } = request.query;
    if (!router) throw new AppError('bad_request', 'the router must name itself');
    await sendSubscribed(reply, (send) => services.routes.subscribe(router, send));
  });

  server.post<{ Body: RouteAck }>(
    '/internal/routes/ack',
    { schema: { body: schemas.RouteAck } },
    async (request, reply) => {
      services.routes.ack(request.body);
      return reply.code(204).send();
    },
  );
}
