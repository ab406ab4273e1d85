// Maps every error to its HTTP answer in one place. The text of an internal error stays in the log; the client gets the request's id.
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { FastifyError, FastifyInstance } from 'fastify';

export function answerErrors(server: FastifyInstance, log: Logger): void {
  server.setErrorHandler((raw: FastifyError | AppError, request, reply) => {
    const error = raw instanceof AppError ? raw : fromFastify(raw);
    if (error.code === 'internal') {
      log.error(
        {
          err: error,
          cause: error.cause,
          requestId: request.id,
          method: request.method,
          route: request.routeOptions.url,
        },
        'request failed',
      );
      const body = new AppError('internal', 'something went wrong in the platform', {
        detail: `request ${request.id}`,
      });
      return reply.code(500).send(body.toBody());
    }
    return reply.code(error.status).send(error.toBody());
  });
  server.setNotFoundHandler((request, reply) => {
    const error = new AppError('not_found', `there is no ${request.method} ${request.url.split('?')[0]}`, {
      hint: 'the API is described at /v1/openapi.json',
    });
    return reply.code(404).send(error.toBody());
  });
}

function fromFastify(error: FastifyError): AppError {
  if (error.validation) return new AppError('invalid', explainValidation(error.validation));
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new AppError('too_large', 'the request body is too large');
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return new AppError('bad_request', error.message);
  return asAppError(error);
}

/** The first thing that is wrong, with the name a user gave it: the last word of its path, not the whole way there. */
function explainValidation(problems: NonNullable<FastifyError['validation']>): string {
  const [first] = problems
    .filter((problem) => problem.keyword !== 'anyOf' && problem.keyword !== 'type')
    .concat(problems);
  const name = (first?.instancePath ?? '').split('/').at(-1);
  const what = first?.message ?? 'is not valid';
  return name ? `"${name}" ${what}` : `the request ${what}`;
}
