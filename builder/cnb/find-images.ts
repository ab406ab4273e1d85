// The images a build stands on: the builder, the run image it names, and the app's last one. Called by build-with-lifecycle.ts.
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { CurrentBuild, Workshop } from '../current-build.ts';
import { type BuilderImage, readBuilderImage } from './builder-image.ts';
import { fetchImage } from './fetch-image.ts';
import { PreviousImages } from './previous-image.ts';

export interface BuildImages {
  builder: BuilderImage;
  run: ImageDetail;
  previous: ImageDetail | undefined;
}

export async function findImages(
  shop: Workshop,
  { build, log, abort }: CurrentBuild,
  reference: string,
): Promise<BuildImages> {
  const fetch = (what: string, names: readonly string[]) =>
    fetchImage(shop.engine, {
      what,
      names,
      isAnew: build.noCache === true,
      signal: abort.signal,
      onPull: (name) => log.step(`Pulling ${name}`),
      onWarning: (text) => log.warning(text),
    });
  const builder = await readBuilderImage(shop.engine, reference, await fetch('the builder', [reference]));
  const { name, mirrors } = builder.runImage;
  const run = await fetch('the run image of the builder', [name, ...mirrors]);
  if (run.Architecture !== builder.detail.Architecture)
    throw new AppError('invalid', `the run image "${name}" is not for ${builder.detail.Architecture}`, {
      hint: 'choose a builder whose images are made for this host',
    });
  const previous = build.noCache
    ? undefined
    : await new PreviousImages(shop.config.dataDir).find(shop.engine, build.appId);
  return { builder, run, previous };
}
