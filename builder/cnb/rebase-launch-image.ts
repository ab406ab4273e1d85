// Puts the image of a Cloud Native build onto the newer run image of its builder, without a build: the layers above the old run image's
// top stay, labels say what is below now (Platform API, "Rebase"). JSON only. Called by rebase-build.ts.
// Must never move an image whose author or run image says that it cannot be moved.
import type { ImageConfig, ImageDetail } from '@berth/clients/engine-types.ts';
import type { BuildLayer, BuildResult } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { CurrentBuild, Workshop } from '../current-build.ts';
import { withSizes } from '../layer-sizes.ts';
import { listAt, textAt } from './builder-image.ts';
import { fetchImage } from './fetch-image.ts';
import { labelJson, lifecycleLabel, runImageLayers, withRunImage } from './launch-image.ts';
import { PreviousImages } from './previous-image.ts';

const rebasableLabel = 'io.buildpacks.rebasable';
/** What has to be the same of both run images: packages of another distribution are not what the app was built for. */
const distroLabels = ['io.buildpacks.base.distro.name', 'io.buildpacks.base.distro.version'] as const;

export interface RebasedLaunchImage {
  image: string;
  /** Name and id of the run image that it stands on now. */
  onto: string;
  layers: BuildLayer[];
}

export async function rebaseLaunchImage(
  shop: Workshop,
  current: CurrentBuild,
  result: BuildResult,
): Promise<RebasedLaunchImage> {
  const { build, log, abort } = current;
  const found = await shop.engine.inspectImage(result.image);
  if (!found)
    throw new AppError('not_found', `the image "${result.image}" is not on this host`, {
      hint: 'push again',
    });
  const metadata = labelJson(found, lifecycleLabel);
  const name = textAt(metadata, 'runImage', 'image');
  const topLayer = textAt(metadata, 'runImage', 'topLayer');
  const below = found.RootFS.Layers.indexOf(topLayer ?? '') + 1;
  if (name === undefined || below === 0)
    throw new AppError('invalid', 'the image does not say which run image it stands on', {
      hint: 'push again',
    });
  const mirrors = listAt(metadata, 'runImage', 'mirrors').filter((one) => typeof one === 'string');
  const run = await fetchImage(shop.engine, {
    what: 'the run image',
    names: [name, ...mirrors],
    isAnew: true,
    signal: abort.signal,
    onPull: (one) => log.step(`Pulling ${one}`),
    onWarning: (text) => log.warning(text),
  });
  const onto = `${name} (${run.Id.slice(7, 19)})`;
  const top = run.RootFS.Layers.at(-1);
  if (top === undefined || top === topLayer)
    throw new AppError('build_failed', `the image stands on the newest run image already (${onto})`);
  refuseAnother(found, run, name);
  const layers = [...run.RootFS.Layers, ...found.RootFS.Layers.slice(below)];
  const image = await shop.engine.makeImage({ config: configOn(found, run, top), layers });
  new PreviousImages(shop.config.dataDir).remember(build.appId, image);
  const own = result.layers.slice(below);
  return {
    image,
    onto,
    layers: [...(await withSizes(shop.engine, runImageLayers(run.RootFS.Layers))), ...own],
  };
}

function refuseAnother(image: ImageDetail, run: ImageDetail, name: string): void {
  const refuse = (why: string) => {
    throw new AppError('invalid', why, {
      hint: 'push again: a build makes the image anew on the new run image',
    });
  };
  if (image.Config.Labels?.[rebasableLabel] === 'false')
    refuse('the image says that it cannot be rebased (label io.buildpacks.rebasable)');
  if (image.Architecture !== run.Architecture)
    refuse(`the run image "${name}" is for ${run.Architecture}, the image for ${image.Architecture}`);
  for (const label of distroLabels) {
    const [before, now] = [image, run].map(({ Config }) => Config.Labels?.[label]);
    if (before !== undefined && now !== undefined && before !== now)
      refuse(`the run image "${name}" has ${label}=${now}, the image was built for ${before}`);
  }
}

function configOn(image: ImageDetail, run: ImageDetail, topLayer: string): ImageConfig {
  const ofRun = Object.entries(run.Config.Labels ?? {}).filter(([label]) =>
    label.startsWith('io.buildpacks.base.'),
  );
  return {
    architecture: image.Architecture,
    os: 'linux',
    ...(image.Created === undefined ? {} : { created: image.Created }),
    config: {
      ...(image.Config as ImageConfig['config']),
      Labels: {
        ...image.Config.Labels,
        ...Object.fromEntries(ofRun),
        [lifecycleLabel]: withRunImage(labelJson(image, lifecycleLabel), { reference: run.Id, topLayer }),
      },
    },
  };
}
