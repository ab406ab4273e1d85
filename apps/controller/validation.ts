// Checks requests against their schemas: path and query are text and may be read as numbers; a JSON body must have the right types already
// (coercion there would turn a null that means "unset" into an empty string).
import { AjvCompiler } from '@fastify/ajv-compiler';
import type { FastifyInstance } from 'fastify';

export function validateStrictly(server: FastifyInstance): void {
  const compilers = {
    text: AjvCompiler()(
      {},
      { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true } },
    ),
    json: AjvCompiler()(
      {},
      { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: true } },
    ),
  };
  server.setValidatorCompiler((route) =>
    route.httpPart === 'body' ? compilers.json(route) : compilers.text(route),
  );
}
