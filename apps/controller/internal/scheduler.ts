// Internal endpoints of the scheduler: its lease, the hints, an app's state, the actions it decided on.
import type { ApplyActions, TakeLease } from '@berth/contract/scheduling.ts';
import { AppError } from '@berth/kit/errors.ts';
import { schedulableApps } from '@berth/store/queries/apps.ts';
import { takeLease } from '@berth/store/queries/hosts.ts';
import type { Static, TSchema } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { applyActions } from '../operations/apply-actions.ts';
import { readAppState } from '../operations/read-app-state.ts';
import { sendSubscribed } from '../send-lines.ts';
import type { Services } from '../services.ts';

type ById = { Params: { id: string } };

export function schedulerEndpoints(
  server: FastifyInstance,
  services: Services,
  schemas: { TakeLease: TSchema; ApplyActions: TSchema },
): void {
  server.post<{ Params: { name: string }; Body: Static<typeof TakeLease> }>(
    '/internal/leases/:name',
    { schema: { body: schemas.TakeLease } },
    async (request) => {
      const { holder, epoch, ttlMs } = request.body;
      const held = await takeLease(services.db, request.params.name, holder, epoch, ttlMs);
      if (held === undefined)
        throw new AppError('conflict', `the lease "${request.params.name}" is held by another`);
      return { epoch: held, ttlMs };
    },
  );

  server.get('/internal/events', (_request, reply) =>
    sendSubscribed(reply, (send) => {
      send({ kind: 'all' });
      return services.hints.listen(send);
    }),
  );

  server.get('/internal/scheduler/apps', async () => ({ appIds: await schedulableApps(services.db) }));

  server.get<ById>('/internal/scheduler/apps/:id', (request) => readAppState(services, request.params.id));

  server.post<ById & { Body: ApplyActions }>(
    '/internal/scheduler/apps/:id/apply',
    { schema: { body: schemas.ApplyActions } },
    (request) => applyActions(services, request.params.id, request.body),
  );
}
