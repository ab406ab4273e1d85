// Public endpoints: what a build's image is made of (SBOM), and how it came to be (provenance). The engine keeps both with the image; here they
// are only passed on. Must never ask the engine for another image than that of a build of the user's app.
import { AppError } from '@berth/kit/errors.ts';
import { buildByNumber } from '@berth/store/queries/builds.ts';
import type { FastifyInstance } from 'fastify';
import type { Services } from '../services.ts';
import { type ForApp, numberedParams, numberOf } from './for-app.ts';

const documents = [
  { path: 'sbom', name: 'SBOM', type: 'application/vnd.cyclonedx+json', summary: 'CycloneDX 1.6' },
  {
    path: 'provenance',
    name: 'provenance',
    type: 'application/vnd.in-toto+json',
    summary: 'in-toto Statement v1, SLSA provenance v1',
  },
] as const;

export function buildDocumentEndpoints(
  server: FastifyInstance,
  { db, documents: store }: Pick<Services, 'db' | 'documents'>,
  forApp: ForApp,
): void {
  for (const { path, name, type, summary } of documents)
    server.get(
      `/v1/apps/:app/builds/:number/${path}`,
      { schema: { summary: `The ${name} of a build's image (${summary})`, params: numberedParams } },
      async (request, reply) => {
        const app = await forApp(request);
        const number = numberOf(request);
        const build = await buildByNumber(db, app.id, number);
        if (!build)
          throw new AppError('not_found', `there is no build ${number}`, { hint: 'see: berth builds' });
        const image = build.result?.image;
        if (image === undefined)
          throw new AppError('not_found', `build ${number} has no image`, {
            hint: `see: berth builds:info ${number}`,
          });
        const document = await store.read(image, type);
        if (!document)
          throw new AppError('not_found', `build ${number} has no ${name}`, {
            hint: 'it is written some seconds after the build, and goes when the image is dropped; a push without caches makes both anew',
          });
        return reply.header('content-type', type).send(document);
      },
    );
}
