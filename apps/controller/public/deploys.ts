// Public endpoint: deploy a folder or an archive, without git. The git receiver, which owns the repositories, takes the body and answers.
import { archiveTypes, DeployQuery } from '@berth/contract/deploy.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { FastifyInstance } from 'fastify';
import { passToGit } from '../pass-to-git.ts';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

/** No type: the body is checked by who reads it. */
const archive = { schema: { description: 'a tar, plain or packed with gzip or zstd' } };

export function deployEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  // It is larger than memory: left in its stream, and passed on as it comes.
  server.addContentTypeParser([...archiveTypes], (_request, _payload, done) => done(null));
  server.post(
    '/v1/apps/:app/deploys',
    {
      schema: {
        summary: 'Deploy a folder; what happens is told line by line (newline-delimited JSON)',
        consumes: [...archiveTypes],
        params: appParams,
        querystring: DeployQuery,
        body: { content: Object.fromEntries(archiveTypes.map((type) => [type, archive])) },
      },
    },
    async (request, reply) => {
      await forApp(request);
      if (request.body !== undefined)
        throw new AppError('bad_request', 'the body is no archive', {
          hint: 'send a tar with "content-type: application/x-tar"',
        });
      reply.hijack();
      passToGit(services.config.BERTH_GIT_SOCKET, request.raw, reply.raw);
    },
  );
}
