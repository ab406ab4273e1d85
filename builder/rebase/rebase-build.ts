// A build of the kind `rebase`: the current release's image on the newest stack, everything else of its build as it was. Called by run-build.ts.
// Starts no container and reads no source.
import type { BuildResult } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { rebaseLaunchImage } from '../cnb/rebase-launch-image.ts';
import type { CurrentBuild, Workshop } from '../current-build.ts';
import { digest } from '../keys.ts';
import { rebaseImage } from './rebase-image.ts';

export async function rebaseBuild(shop: Workshop, current: CurrentBuild): Promise<BuildResult> {
  const { build, log } = current;
  if (!build.rebase) throw new AppError('internal', 'the build is no rebase');
  const { result } = build.rebase;
  if (result.detected.driver === 'cnb') {
    const { image, layers, onto } = await rebaseLaunchImage(shop, current, result);
    log.step(`Rebased onto ${onto}`);
    return { ...rebasedResult(result, image, onto), layers };
  }
  const { image, from, onto } = await rebaseImage(shop.engine, result.image);
  if (from.tag === onto.tag)
    throw new AppError('build_failed', `the image stands on the newest stack already ("${onto.tag}")`);
  log.step(`Rebased from ${from.tag} onto ${onto.tag}`);
  return {
    ...rebasedResult(result, image, onto.tag),
    layers: result.layers.map((layer) =>
      layer.diffId === from.layer ? { ...layer, diffId: onto.layer } : layer,
    ),
  };
}

function rebasedResult(result: BuildResult, image: string, rebasedOnto: string): BuildResult {
  return {
    ...result,
    // No key of a tree: the next push of the same tree makes what it has to.
    key: digest(['rebase', image]),
    image,
    reused: false,
    steps: [],
    warnings: [],
    rebasedOnto,
  };
}
