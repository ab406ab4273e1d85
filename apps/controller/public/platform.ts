// Public endpoints about the platform itself: status for a signed-in user, and users (an admin makes them).
import { AppError } from '@berth/kit/errors.ts';
import { violates } from '@berth/store/database.ts';
import { listApps } from '@berth/store/queries/apps.ts';
import { recordEvent } from '@berth/store/queries/events.ts';
import { listHosts } from '@berth/store/queries/hosts.ts';
import { createToken, createUser } from '@berth/store/queries/users.ts';
import { type Static, Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import type { Services } from '../services.ts';

const Status = Type.Object({
  version: Type.String(),
  apps: Type.Integer(),
  routers: Type.Union([Type.Integer(), Type.Null()], {
    description: 'route table version that all routers serve; null: none is connected',
  }),
  hosts: Type.Array(
    Type.Object({
      name: Type.String(),
      silentMs: Type.Integer(),
      memoryMb: Type.Integer(),
      reservedMb: Type.Integer(),
      instances: Type.Integer(),
    }),
  ),
});
const NewUser = Type.Object(
  { name: Type.String({ pattern: '^[a-z][a-z0-9._@-]{0,62}$' }) },
  { additionalProperties: false },
);
const MadeUser = Type.Object({ user: Type.String(), token: Type.String({ description: 'shown once' }) });

export function platformEndpoints(server: FastifyInstance, services: Services): void {
  const { db } = services;
  server.get(
    '/v1/status',
    { schema: { summary: 'Health of the platform', response: { 200: Status } } },
    async (request) => {
      const [apps, hosts] = await Promise.all([
        listApps(db, request.user.id, request.user.admin),
        listHosts(db),
      ]);
      return {
        version: '0.1.0',
        apps: apps.length,
        routers: services.routes.acked(),
        hosts: hosts.map((host) => ({
          name: host.name,
          silentMs: host.silent_ms,
          memoryMb: host.memory_mb,
          reservedMb: host.reserved_mb,
          instances: host.instances,
        })),
      };
    },
  );
  server.post<{ Body: Static<typeof NewUser> }>(
    '/v1/users',
    {
      schema: {
        summary: 'Make a user and a token (admins only)',
        body: NewUser,
        response: { 201: MadeUser },
      },
    },
    async (request, reply) => {
      if (!request.user.admin) throw new AppError('forbidden', 'only an admin makes users');
      const { name } = request.body;
      const token = await db
        .transaction(async (tx) => {
          const user = await createUser(tx, name, false);
          await recordEvent(tx, { userId: request.user.id, kind: 'user.create', data: { name } });
          return createToken(tx, user.id);
        })
        .catch((error: unknown) => {
          if (violates(error, 'users_name_key')) throw new AppError('conflict', `the user "${name}" exists`);
          throw error;
        });
      return reply.code(201).send({ user: name, token });
    },
  );
}
