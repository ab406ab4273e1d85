// Public endpoint: deploy a folder, an archive or a finished image, without git. An archive is the git receiver's, which owns the repositories:
// it takes the body and answers. An image is the builder's, like any build.
import { archiveTypes, DeployQuery, ImageDeploy } from '@berth/contract/deploy.ts';
import type { OutputLine } from '@berth/contract/release.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { FastifyInstance } from 'fastify';
import { followPushOutput } from '../follow-push-output.ts';
import { deployImage } from '../operations/deploy-image.ts';
import { passToGit } from '../pass-to-git.ts';
import type { Services } from '../services.ts';
import { appParams, type ForApp } from './for-app.ts';

/** No type: the body is checked by who reads it. */
const archive = { schema: { description: 'a tar, plain or packed with gzip or zstd' } };

export function deployEndpoints(server: FastifyInstance, services: Services, forApp: ForApp): void {
  // It is larger than memory: left in its stream, and passed on as it comes.
  server.addContentTypeParser([...archiveTypes], (_request, _payload, done) => done(null));
  server.post<{ Body: ImageDeploy | undefined }>(
    '/v1/apps/:app/deploys',
    {
      schema: {
        summary:
          'Deploy a folder or a finished image; what happens is told line by line (newline-delimited JSON)',
        params: appParams,
        querystring: DeployQuery,
        body: {
          content: {
            'application/json': { schema: ImageDeploy },
            ...Object.fromEntries(archiveTypes.map((type) => [type, archive])),
          },
        },
      },
    },
    async (request, reply) => {
      const app = await forApp(request);
      if (request.body) {
        const { image: reference, force = false } = request.body;
        const pushId = await deployImage(services, request.user, app.id, { reference, force });
        return followPushOutput(services, request, reply, { pushId, after: 0, shape: withReasons });
      }
      if (request.body !== undefined) throw new AppError('bad_request', 'the request names no image');
      reply.hijack();
      passToGit(services.config.BERTH_GIT_SOCKET, request.raw, reply.raw);
    },
  );
}

/** Why it failed is told as lines too, as the git receiver does it. */
async function* withReasons(lines: AsyncIterable<OutputLine>): AsyncGenerator<OutputLine> {
  let seq = 0;
  for await (const line of lines) {
    if ('end' in line && !line.ok)
      for (const text of [line.message, line.hint]) if (text) yield { seq: ++seq, text: ` !     ${text}` };
    if ('seq' in line) seq = line.seq;
    yield line;
  }
}
