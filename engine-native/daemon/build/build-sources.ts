// What a client of ours says about where builds get things from (X-Berth-Build-Sources): environment and CA bundle of RUN, images that stand in
// for others. Read by build-routes.ts. None of it is in a layer, a config, a history or a key.
import { existsSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import { JsonFields } from '../json-fields.ts';
import { envValue } from './variable-scope.ts';

export const sourcesHeader = 'x-berth-build-sources';

export interface BuildSources {
  /** For RUN; what the Dockerfile sets itself wins. */
  env: Readonly<Record<string, string>>;
  /** Docker binds: the CA bundle, at a place of its own, because packages replace their system's. */
  binds: readonly string[];
  /** Ids or names of images, by the names they are taken for in FROM, COPY --from and mounts. */
  images: ReadonlyMap<string, string>;
}

export const noSources: BuildSources = { env: {}, binds: [], images: new Map() };

/** Base64 of JSON: `{ env: {}, binds: [], images: {} }`. Whoever speaks to the engine's socket may name files of the host. */
export function parseBuildSources(header: string | string[] | undefined): BuildSources {
  if (header === undefined) return noSources;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(String(header), 'base64').toString('utf8'));
  } catch {
    throw new AppError('bad_request', `the header "${sourcesHeader}" is not base64 of JSON`);
  }
  const fields = new JsonFields(value, sourcesHeader);
  const binds = fields.texts('binds') ?? [];
  for (const bind of binds)
    if (!existsSync(bind.split(':', 1)[0] ?? ''))
      throw new AppError('not_found', `there is no file "${bind.split(':', 1)[0]}" for the build`);
  return {
    env: fields.map('env') ?? {},
    binds,
    images: new Map(Object.entries(fields.map('images') ?? {})),
  };
}

/** `NAME=value` of what neither the image nor an argument of the Dockerfile sets. */
export function sourceEnv(
  { env }: BuildSources,
  imageEnv: readonly string[],
  args: readonly string[],
): string[] {
  return Object.entries(env)
    .filter(([name]) => envValue(imageEnv, name) === undefined && envValue(args, name) === undefined)
    .map(([name, value]) => `${name}=${value}`);
}
