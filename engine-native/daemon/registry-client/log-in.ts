// `docker login`: the registry itself says whether the credentials are right. Called by POST /auth; keeps nothing.
import { AppError } from '@berth/kit/errors.ts';
import type { JsonFields } from '../json-fields.ts';
import { credentialsFor, registryOf } from './credentials.ts';
import { registryEndpoint } from './endpoints.ts';
import type { Registries } from './registries-file.ts';
import { RegistrySession } from './registry-session.ts';

/** `fields`: Docker's AuthConfig. Throws `unauthorized` when the registry refuses. */
export async function logIn(fields: JsonFields, registries: Registries): Promise<void> {
  const domain = registryOf(fields.text('serveraddress') ?? '');
  const credentials = credentialsFor(fields, domain);
  if (credentials.basicHeader() === undefined && credentials.identityToken() === undefined)
    throw new AppError('bad_request', `the login to "${domain}" needs a user name and a password`);
  const file = registries.read();
  const session = new RegistrySession({
    endpoint: registryEndpoint(domain, '', file),
    credentials,
    registries: file,
    tokens: registries.tokens,
  });
  try {
    const { status, body } = await session.request({ method: 'GET', target: '/v2/', accept: [200, 401] });
    body.resume();
    if (status === 401)
      throw new AppError(
        'unauthorized',
        `login to "${domain}": unauthorized: incorrect username or password`,
      );
  } finally {
    session.close();
  }
}
