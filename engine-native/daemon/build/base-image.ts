// The image a FROM, COPY --from or mount names: from this host, or pulled. And the platform a build is for.
import { setMaxListeners } from 'node:events';
import { AppError } from '@berth/kit/errors.ts';
import type { Image } from '../images/image-store.ts';
import { pullImage } from '../images/pull-image.ts';
import { parseReference } from '../images/references.ts';
import { JsonFields } from '../json-fields.ts';
import { anonymous, type Credentials, credentialsFor, registryOf } from '../registry-client/credentials.ts';
import { isLoopback } from '../registry-client/endpoints.ts';
import {
  hostPlatform,
  type Platform,
  parsePlatform,
  platformText,
  satisfies,
} from '../registry-client/platform.ts';
import type { BuildRun } from './build-run.ts';

export async function baseImage(run: BuildRun, asked: string, platform: string): Promise<Image> {
  const { parts, options } = run;
  const standIn = run.sources.images.get(asked);
  // Who set it may name images by their ids, whatever the scope.
  const known = standIn === undefined ? undefined : parts.images.find(standIn);
  if (known) return known;
  const name = standIn ?? asked;
  const here = hereFor(run, name);
  const wanted = platform === '' ? undefined : parsePlatform(platform);
  if (here && !options.pull && (!wanted || satisfies(here.config, wanted))) return here;
  const reference = parseReference(name);
  refuseHostsOwn(run, reference.domain);
  setMaxListeners(0, run.signal); // one for each request of each layer
  const { image } = await pullImage(
    {
      reference,
      platform: wanted,
      hostPlatform: hostPlatform(),
      credentials: credentialsOf(run.credentials, reference.domain),
      progress: run.progress,
      signal: run.signal,
    },
    parts,
  );
  return image;
}

/** A scope's Dockerfile comes from whoever pushes; it must not make the engine talk to what listens on the host's loopback alone. */
function refuseHostsOwn({ parts, scope }: BuildRun, domain: string): void {
  if (scope === '' || !isLoopback(domain) || parts.registries.read().has(domain)) return;
  throw new AppError('forbidden', `registry "${domain.slice(0, 100)}" is this host itself`, {
    hint: 'the operator can allow it in the registries file',
  });
}

/**
 * On this host already. A build of a scope sees images by their names only: ids, which can be guessed by their first digits, would show
 * it what other scopes have built.
 */
function hereFor({ parts, scope }: BuildRun, name: string): Image | undefined {
  const found = parts.images.find(name);
  const isId = found?.id.startsWith(`sha256:${name.replace(/^sha256:/, '')}`);
  if (!isId || scope === '' || parts.images.hasTag(name)) return found;
  throw new AppError('not_found', `no such image "${name.slice(0, 100)}"`, {
    hint: 'name images by their tags',
  });
}

/** X-Registry-Config: addresses of registries to logins. Only the one for this registry is ever used. */
function credentialsOf(header: string, domain: string): Credentials {
  if (header === '') return anonymous;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    throw new AppError('bad_request', 'the X-Registry-Config header is not base64url of JSON');
  }
  if (value === null) return anonymous;
  const fields = new JsonFields(value, 'X-Registry-Config');
  const address = fields.keys().find((key) => registryOf(key) === domain);
  const login = address === undefined ? undefined : fields.object(address);
  return login
    ? credentialsFor(new JsonFields({ ...login.raw(), serveraddress: address }), domain)
    : anonymous;
}

/** The arguments that Docker gives to every Dockerfile; a stage sees them once it declares them. */
export function platformVariables(asked: string, stage: string): Record<string, string> {
  const target = asked === '' ? hostPlatform() : parsePlatform(asked);
  return {
    ...named('TARGET', target),
    ...named('BUILD', hostPlatform()),
    TARGETSTAGE: stage === '' ? 'default' : stage,
  };
}

function named(prefix: string, platform: Platform): Record<string, string> {
  return {
    [`${prefix}PLATFORM`]: platformText(platform),
    [`${prefix}OS`]: platform.os,
    [`${prefix}ARCH`]: platform.architecture,
    [`${prefix}VARIANT`]: platform.variant,
  };
}
