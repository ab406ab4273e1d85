// `berth deploy --image`: a finished image, pinned by its digest and checked, becomes a release as it is. Called by run-build.ts.
// Builds nothing and starts nothing; its user, entrypoint and environment stay its author's.
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import type { BuildResult } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { CurrentBuild, Workshop } from '../current-build.ts';
import { ociArchitecture, portOf } from '../image.ts';
import { digest as keyOf } from '../keys.ts';
import { withSizes } from '../layer-sizes.ts';
import { findImage } from './find-image.ts';

export async function takeImage(shop: Workshop, current: CurrentBuild): Promise<BuildResult> {
  const { build, log } = current;
  if (!build.image) throw new AppError('internal', 'the build names no image');
  const { reference, force } = build.image;
  const begun = performance.now();
  const { image, digest } = await findImage(shop.engine, current, build.image);
  const steps = [{ name: 'image', seconds: Math.round(performance.now() - begun) / 1000, cached: false }];
  current.steps = steps;
  checkImage(reference, image, ociArchitecture(shop.platformNode.arch));
  const pinned =
    digest === undefined ? `${reference} (${image.Id})` : `${reference.split('@', 1)[0]}@${digest}`;
  const port = portOf(image.Config);
  const unchanged = !force && build.image.current === image.Id;
  log.step(`Image ${pinned}`);
  if (unchanged)
    log.detail(
      'The current release has this image: nothing has changed (--force makes a release all the same)',
    );
  else log.detail(`port ${port}, ${image.Config.User ? `user "${image.Config.User}"` : 'the user root'}`);
  return {
    key: keyOf(['deployed', image.Id]),
    image: image.Id,
    language: 'Image',
    processTypes: { web: '' },
    port,
    user: '',
    reused: false,
    steps,
    warnings: [],
    detected: { driver: 'image', label: 'Image', why: reference },
    details: [pinned],
    layers: await withSizes(
      shop.engine,
      image.RootFS.Layers.map((diffId, index) => ({ name: `layer ${index + 1}`, diffId })),
    ),
    pinned: digest === undefined ? `${reference}@${image.Id}` : pinned,
    unchanged,
  };
}

function checkImage(reference: string, { Architecture, Config }: ImageDetail, wanted: string): void {
  if (Architecture !== wanted)
    throw new AppError(
      'build_failed',
      `"${reference}" is made for ${Architecture}, and this machine is ${wanted}`,
      {
        hint: `build it with: docker build --platform linux/${wanted}`,
      },
    );
  if ([...(Config.Entrypoint ?? []), ...(Config.Cmd ?? [])].length === 0)
    throw new AppError('build_failed', `"${reference}" names no command to run`, {
      hint: 'give it a CMD or an ENTRYPOINT',
    });
}
