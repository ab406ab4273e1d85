// An app on a Cloud Native builder (`berth stack:set cnb:IMAGE`): the builder's lifecycle makes the image. Called by build-image.ts.
// Must never give a phase more than it needs (run-phases.ts), nor report the end of a build: that is run-build.ts's.
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageDetail } from '@berth/clients/engine-types.ts';
import type { BuildResult } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { layerWork } from '../build-with-drivers.ts';
import { makeVarsFolder } from '../classic/vars-folder.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { webPort } from '../image.ts';
import { imageKey, varsDigest } from '../keys.ts';
import { withSizes } from '../layer-sizes.ts';
import { finalProcessTypes } from '../manifest/final-process-types.ts';
import { reusableImage } from '../reusable-image.ts';
import { fixedMtime, type LayerWork } from '../steps/layer-work.ts';
import type { BuilderImage } from './builder-image.ts';
import { type BuildImages, findImages } from './find-images.ts';
import { type LayoutFile, layoutNames, sparseLayout } from './image-layout.ts';
import { buildpacksOf, launchConfig, namedLayers, processTypesOf } from './launch-image.ts';
import { PreviousImages } from './previous-image.ts';
import { type PhasesEnd, runPhases } from './run-phases.ts';
import { WorkFolder } from './work-folder.ts';

/** Raise it when the same builder would give another image of the same tree. */
const driver = { name: 'cnb', version: 1 };

export async function buildWithLifecycle(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
): Promise<BuildResult> {
  const { build, log } = current;
  const { choice } = source;
  if (choice.builder !== 'cnb') throw new Error(`no Cloud Native builder was chosen: ${choice.builder}`);
  const images = await findImages(shop, current, choice.image);
  const details = describe(images.builder);
  const warnings = warningsOf(current, source);
  for (const detail of details) log.detail(detail);
  for (const warning of warnings) log.warning(warning);
  const key = keyOf(shop, current, source, images);
  const earlier = await reusableImage(shop, build, key);
  if (earlier) {
    log.step(`Using the image of build ${earlier.number} (same source, same builder)`);
    return { ...earlier.result, detected: choice.detected, reused: true, steps: [], warnings };
  }
  const end = await runLifecycle(shop, current, source, images);
  const made = await assemble(shop, current, source, images, end.image);
  const result = await describeResult(shop, current, source, images, made);
  new PreviousImages(shop.config.dataDir).remember(build.appId, made.image);
  return {
    ...result,
    key,
    language: end.buildpacks.join(' + '),
    steps: end.steps,
    warnings: [...warnings, ...result.warnings],
    details: [...details, ...result.details],
  };
}

function describe({ reference, detail, runImage, lifecycleVersion, platformApi }: BuilderImage): string[] {
  return [
    `Builder ${reference} (${detail.Id.slice(7, 19)}, lifecycle ${lifecycleVersion}, Platform API ${platformApi})`,
    `Run image ${runImage.name}`,
  ];
}

function warningsOf({ build }: CurrentBuild, { tree }: BuildSource): string[] {
  const warnings = tree.submodules.map((path) => `submodule "${path}" is left out`);
  if (build.settings.buildpacks.length > 0)
    warnings.push('the list of buildpacks set on the app is not used: the builder has an order of its own');
  if (tree.has('project.toml'))
    warnings.push('project.toml is not read: set config vars, and choose the builder with berth stack:set');
  return warnings;
}

function keyOf(
  shop: Workshop,
  { build }: CurrentBuild,
  { tree, configuration }: BuildSource,
  { builder, run }: BuildImages,
): string {
  return imageKey({
    tree: tree.oid,
    stack: [builder.detail.Id, run.Id],
    driver,
    configuration,
    // A buildpack reads whatever it likes of the config vars.
    vars: varsDigest(shop.varsSecret, build.buildVars, 'all'),
  });
}

async function runLifecycle(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
  images: BuildImages,
): Promise<PhasesEnd> {
  const { builder } = images;
  const { dataDir } = shop.config;
  const { Id, RootFS } = builder.detail;
  const stack = { id: Id, family: builder.reference, layers: RootFS.Layers };
  const work = layerWork(shop, current, { ...source, stack });
  const folder = new WorkFolder(dataDir, builder);
  // What tools are told of the sources table goes the way of config vars: the lifecycle clears a buildpack's environment.
  const vars = makeVarsFolder(dataDir, { ...shop.sources.env, ...work.vars }, builder);
  try {
    const [layouts] = await Promise.all([layoutsOf(shop, images), folder.fill(source.objects, source.tree)]);
    return await runPhases(
      {
        builder,
        folder,
        layouts,
        knownLayers: [...images.run.RootFS.Layers, ...(images.previous?.RootFS.Layers ?? [])],
        hasPrevious: images.previous !== undefined,
        commit: current.build.commit,
        varsFolder: vars.path,
        cacheFolder: cacheFolder(work, builder),
        onStep: (steps) => {
          current.steps = steps;
        },
      },
      work,
    );
  } finally {
    vars.remove();
    folder.remove();
  }
}

async function layoutsOf({ engine }: Workshop, { run, previous }: BuildImages): Promise<LayoutFile[]> {
  const layout = async (name: string, image: ImageDetail) => {
    const layers = await Promise.all(image.RootFS.Layers.map((diffId) => engine.layerInfo(diffId)));
    return sparseLayout(
      name,
      image,
      layers.map(({ size }) => size),
    );
  };
  const layouts = [layout(layoutNames.run, run)];
  if (previous) layouts.push(layout(layoutNames.previous, previous));
  return (await Promise.all(layouts)).flat();
}

/** Written by the exporter alone, and only after a build that succeeded. Pushes of an app are one after another: nobody else uses it. */
function cacheFolder({ runner, appId, noCache, log }: LayerWork, { uid, gid }: BuilderImage): string {
  const folder = join(runner.cacheDir, 'apps', appId, 'cnb');
  if (noCache) {
    log.step('Building without caches');
    rmSync(folder, { recursive: true, force: true });
  }
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  chownSync(folder, uid, gid);
  return folder;
}

interface MadeImage {
  image: string;
  /** As the exporter left it. */
  exported: ImageDetail;
}

async function assemble(
  { engine }: Workshop,
  { build, abort }: CurrentBuild,
  source: BuildSource,
  { builder, run }: BuildImages,
  id: string,
): Promise<MadeImage> {
  const exported = await engine.inspectImage(id);
  if (!exported) throw new AppError('unavailable', 'the exported image is gone again');
  const below = run.RootFS.Layers;
  if (below.some((diffId, index) => exported.RootFS.Layers[index] !== diffId))
    throw new AppError('build_failed', `the exporter of "${builder.reference}" left the run image out`);
  abort.signal.throwIfAborted();
  const config = launchConfig(exported, {
    labels: {
      'org.opencontainers.image.revision': build.commit,
      'berth.app': build.appName,
      'berth.language': 'Cloud Native Buildpacks',
    },
    runImage: run.Id,
    createdAt: Math.max(source.commitTime, fixedMtime),
  });
  return { image: await engine.makeImage({ config, layers: exported.RootFS.Layers }), exported };
}

async function describeResult(
  shop: Workshop,
  { log }: CurrentBuild,
  { choice, manifest }: BuildSource,
  { run, previous }: BuildImages,
  { image, exported }: MadeImage,
): Promise<Omit<BuildResult, 'key' | 'language' | 'steps'>> {
  const { processTypes, warnings } = finalProcessTypes(manifest, processTypesOf(exported));
  if (Object.keys(processTypes).length === 0)
    warnings.push('neither the Procfile nor a buildpack names a process type: nothing will run');
  for (const warning of warnings) log.warning(warning);
  const runLayers = run.RootFS.Layers.length;
  const layers = namedLayers(exported, runLayers, new Set(previous?.RootFS.Layers));
  const own = layers.slice(runLayers);
  const reused = own.filter(({ cached }) => cached).length;
  log.step(`Image ${image.slice(7, 19)} (${reused} of ${own.length} layers reused)`);
  return {
    image,
    processTypes,
    port: webPort,
    // The run image's.
    user: '',
    reused: false,
    warnings,
    detected: choice.detected,
    details: buildpacksOf(exported).map((buildpack) => `Buildpack ${buildpack}`),
    layers: await withSizes(shop.engine, layers),
  };
}
