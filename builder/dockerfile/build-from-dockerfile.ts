// An app with a Dockerfile: the engine builds it, the image stays what its author made of it.
// Called by build-image.ts. Config vars enter only where berth.toml names them: what a Dockerfile does with an argument ends up in the image's history.
import type { BuildResult } from '@berth/contract/build.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { imageKey, varsDigest } from '../keys.ts';
import { withSizes } from '../layer-sizes.ts';
import { finalProcessTypes } from '../manifest/final-process-types.ts';
import { reusableImage } from '../reusable-image.ts';
import { buildArgs } from './build-args.ts';
import { checkImage } from './check-image.ts';
import { chooseBases } from './choose-bases.ts';
import { layersOf, stepsOf } from './report-steps.ts';
import { runEngineBuild } from './run-engine-build.ts';

/** Raise it when the same tree would give another image. */
const driver = { name: 'dockerfile', version: 2 };

export async function buildFromDockerfile(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
): Promise<BuildResult> {
  const { log, abort, build } = current;
  const { tree, configuration, manifest } = source;
  const { detected } = source.choice;
  // Nothing of ours runs it: the empty command is the image's own.
  const { processTypes, warnings: unknown } = finalProcessTypes(manifest, { web: '' });
  const args = buildArgs(manifest.build.args ?? {}, build.buildVars);
  const bases = await chooseBases(shop, current, source, args.values);
  const warnings = [
    ...unknown,
    ...tree.submodules.map((path) => `submodule "${path}" is left out`),
    ...bases.warnings,
  ];
  for (const warning of warnings) log.warning(warning);
  const key = imageKey({
    tree: tree.oid,
    stack: Object.entries(bases.images).flat(),
    driver,
    configuration,
    vars: varsDigest(shop.varsSecret, args.vars, 'all'),
  });
  const earlier = await reusableImage(shop, build, key);
  if (earlier) {
    log.step(`Using the image of build ${earlier.number} (same source)`);
    return { ...earlier.result, processTypes, detected, reused: true, steps: [], warnings };
  }
  const built = await runEngineBuild(shop, current, source, { images: bases.images, args: args.values });
  abort.signal.throwIfAborted();
  const steps = stepsOf(built.steps);
  current.steps = steps;
  const { port, diffIds, warnings: found } = await checkImage(shop.engine, built.image, processTypes);
  for (const warning of found) log.warning(warning);
  log.step(`Image ${built.image.slice(7, 19)} (port ${port})`);
  return {
    key,
    image: built.image,
    language: 'Dockerfile',
    processTypes,
    port,
    user: '',
    reused: false,
    steps,
    warnings: [...warnings, ...found],
    detected,
    details: [],
    layers: await withSizes(shop.engine, layersOf(built.steps, diffIds)),
  };
}
