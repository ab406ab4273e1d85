// The internal API: for the platform's own parts, on a unix socket that only root can open. No authentication of its own.
import { BuildDurable, BuildOutput, FinishBuild, RequeueBuilds, StartBuild } from '@berth/contract/build.ts';
import { ObservedReport, RegisterHost } from '@berth/contract/instance.ts';
import { GitAuthorize, PushLanded, StartPush } from '@berth/contract/push.ts';
import { RouteAck } from '@berth/contract/route.ts';
import { ApplyActions, TakeLease } from '@berth/contract/scheduling.ts';
import fastify, { type FastifyInstance } from 'fastify';
import { answerErrors } from '../error-responses.ts';
import type { Services } from '../services.ts';
import type { BuildHeartbeats } from '../sweep.ts';
import { validateStrictly } from '../validation.ts';
import { buildEndpoints } from './builds.ts';
import { hostEndpoints } from './hosts.ts';
import { pushEndpoints } from './pushes.ts';
import { routeEndpoints } from './routes.ts';
import { schedulerEndpoints } from './scheduler.ts';

export function buildInternalServer(services: Services, heartbeats: BuildHeartbeats): FastifyInstance {
  const server = fastify({
    bodyLimit: 32 * 1024 * 1024,
    forceCloseConnections: true,
  });
  answerErrors(server, services.log);
  validateStrictly(server);
  pushEndpoints(server, services, { GitAuthorize, StartPush, PushLanded });
  buildEndpoints(server, services, heartbeats, {
    StartBuild,
    BuildOutput,
    FinishBuild,
    RequeueBuilds,
    BuildDurable,
  });
  schedulerEndpoints(server, services, { TakeLease, ApplyActions });
  hostEndpoints(server, services, { RegisterHost, ObservedReport });
  routeEndpoints(server, services, { RouteAck });
  return server;
}
