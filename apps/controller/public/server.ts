// The public API: authenticated, described by its own schemas (OpenAPI), on the port that git uses too.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import { authenticate, authorizeApp } from '../authenticate.ts';
import { answerErrors } from '../error-responses.ts';
import { passToGit } from '../pass-to-git.ts';
import type { Services } from '../services.ts';
import { validateStrictly } from '../validation.ts';
import { appEndpoints } from './apps.ts';
import { buildDocumentEndpoints } from './build-documents.ts';
import { buildSettingsEndpoints } from './build-settings.ts';
import { cronEndpoints } from './cron.ts';
import { deployEndpoints } from './deploys.ts';
import type { ForApp } from './for-app.ts';
import { logEndpoints } from './logs.ts';
import { platformEndpoints } from './platform.ts';
import { releaseEndpoints } from './releases.ts';
import { runEndpoints } from './runs.ts';

const gitPath = /^\/[^/?]+\.git\//;

export async function buildPublicServer(services: Services): Promise<FastifyInstance> {
  const server = fastify({
    bodyLimit: 1024 * 1024,
    forceCloseConnections: true,
    genReqId: () => crypto.randomUUID(),
    serverFactory: (handler) =>
      createServer({ requestTimeout: 0 }, (request: IncomingMessage, response: ServerResponse) => {
        // git's bodies stream through untouched and may take minutes: they never enter the JSON server.
        if (gitPath.test(request.url ?? '')) passToGit(services.config.BERTH_GIT_SOCKET, request, response);
        else handler(request, response);
      }),
  });
  answerErrors(server, services.log);
  validateStrictly(server);
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Berth', version: '1', description: 'The API of a Berth platform.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  server.decorateRequest('user');
  const forApp: ForApp = (request) =>
    authorizeApp(services.db, request.user, (request.params as { app: string }).app);
  await server.register(async (scope) => {
    scope.addHook('onRequest', async (request) => {
      request.user = await authenticate(services.db, request.headers.authorization);
    });
    appEndpoints(scope, services, forApp);
    buildSettingsEndpoints(scope, services, forApp);
    releaseEndpoints(scope, services, forApp);
    buildDocumentEndpoints(scope, services, forApp);
    deployEndpoints(scope, services, forApp);
    cronEndpoints(scope, services, forApp);
    logEndpoints(scope, services, forApp);
    runEndpoints(scope, services, forApp);
    platformEndpoints(scope, services);
  });
  server.get('/v1/openapi.json', { schema: { hide: true } }, () => server.swagger());
  server.get('/health', { schema: { hide: true } }, () => ({ ok: true }));
  return server;
}
