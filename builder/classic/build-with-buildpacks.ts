// An app that lists buildpacks of the field: pinned, fetched, run as Heroku runs them, the result cut into layers. Called by build-image.ts.
// Must never report the end of a build: that is run-build.ts's.
import type { BuildLayer, BuildResult } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { layerWork } from '../build-with-drivers.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { appImageConfig, appUser, baseImageConfig, webPort } from '../image.ts';
import { imageKey, varsDigest } from '../keys.ts';
import { stackLayers, withSizes } from '../layer-sizes.ts';
import type { AppManifest } from '../manifest/app-manifest.ts';
import { finalProcessTypes } from '../manifest/final-process-types.ts';
import { reusableImage } from '../reusable-image.ts';
import type { LayerWork } from '../steps/layer-work.ts';
import { type MadeLayers, makeLayers } from '../steps/make-layers.ts';
import { runStack } from '../steps/stack.ts';
import { BuildCache } from './build-cache.ts';
import { reportedVersions } from './buildpack-output.ts';
import { readReference } from './buildpack-reference.ts';
import { builtManifest } from './built-manifest.ts';
import { fetchBuildpacks, type PinnedBuildpack, pinBuildpacks } from './fetch-buildpacks.ts';
import { gitBinds } from './git-config.ts';
import { withoutFiles } from './part-of-tree.ts';
import { parseRelease } from './release.ts';
import { type BuildpackResult, herokuStack, runBuildpacks } from './run-buildpacks.ts';
import { slugIgnore } from './slug-ignore.ts';
import { basePlan, startPath } from './stack-packages.ts';
import { makeVarsFolder } from './vars-folder.ts';

/** Raise it when the same buildpacks would give another image of the same tree. */
const driver = { name: 'classic', version: 1 };

export async function buildWithClassicBuildpacks(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
): Promise<BuildResult> {
  const { build, log, abort } = current;
  const { choice, tree } = source;
  if (choice.builder !== 'classic') throw new Error(`no classic buildpack was chosen: ${choice.builder}`);
  const work = layerWork(shop, current, { ...source, stack: await runStack(shop.engine) });
  const binds = gitBinds(shop.config);
  const references = choice.buildpacks.map((entry) => readReference(entry, shop.config.buildpackFolders));
  const pinned = await pinBuildpacks(references, work, binds);
  const details = pinned.map(describe);
  const warnings = tree.submodules.map((path) => `submodule "${path}" is left out`);
  for (const detail of details) log.detail(detail);
  for (const warning of warnings) log.warning(warning);
  const key = keyOf(shop, current, source, work, pinned);
  const { detected } = choice;
  const earlier = await reusableImage(shop, build, key);
  if (earlier) {
    log.step(`Using the image of build ${earlier.number} (same source, same buildpacks)`);
    return { ...earlier.result, detected, reused: true, steps: [], warnings };
  }
  const made = await makeAll(shop, current, source, { work, pinned, binds });
  const image = await assemble(shop, current, made, work);
  log.step(`Image ${image.slice(7, 19)}`);
  abort.signal.throwIfAborted();
  return {
    key,
    image,
    language: made.language,
    processTypes: made.processTypes,
    port: webPort,
    user: appUser.name,
    reused: false,
    steps: current.steps,
    warnings: [...warnings, ...made.warnings],
    detected: { ...detected, label: made.language },
    details: [...details, ...made.details],
    layers: await withSizes(shop.engine, [...stackLayers(work.stack.layers), ...made.layers]),
  };
}

function describe({ reference, pin }: PinnedBuildpack): string {
  const what = { git: 'commit', archive: 'archive', tree: 'content', folder: 'content' }[reference.kind];
  return `Buildpack ${reference.name} at ${what} ${reference.kind === 'git' ? pin : pin.slice(0, 12)}`;
}

function keyOf(
  shop: Workshop,
  { build }: CurrentBuild,
  { tree, configuration }: BuildSource,
  work: LayerWork,
  pinned: readonly PinnedBuildpack[],
): string {
  return imageKey({
    tree: tree.oid,
    stack: [work.stack.id, herokuStack],
    driver,
    configuration: [...configuration, pinned.map(({ reference, pin }) => [reference.kind, pin])],
    // A buildpack reads whatever it likes of ENV_DIR.
    vars: varsDigest(shop.varsSecret, build.buildVars, 'all'),
  });
}

interface Made {
  language: string;
  processTypes: Record<string, string>;
  configVars: Record<string, string>;
  details: string[];
  warnings: string[];
  layers: Omit<BuildLayer, 'sizeBytes'>[];
}

async function makeAll(
  shop: Workshop,
  current: CurrentBuild,
  { tree, manifest }: BuildSource,
  { work, pinned, binds }: { work: LayerWork; pinned: readonly PinnedBuildpack[]; binds: string[] },
): Promise<Made> {
  const begun = performance.now();
  const caches = new BuildCache(shop.config.dataDir);
  const [buildpacks, base, cache, ignored, procfile] = await Promise.all([
    fetchBuildpacks(pinned, work, binds),
    makeLayers(basePlan('', {}), work),
    work.noCache ? undefined : caches.find(shop.engine, work.appId),
    tree.readText('.slugignore', 256 * 1024),
    tree.readText('Procfile', 256 * 1024),
  ]);
  const fetchStep = {
    name: 'fetch buildpacks',
    seconds: Math.round(performance.now() - begun) / 1000,
    cached: buildpacks.every((buildpack) => buildpack.cached),
  };
  current.steps = [fetchStep];
  const vars = makeVarsFolder(shop.config.dataDir, work.vars);
  const result = await runBuildpacks(
    {
      buildpacks,
      tree: ignored === undefined ? tree : withoutFiles(tree, slugIgnore(ignored)),
      commit: current.build.commit,
      binds,
      varsFolder: vars.path,
      cache,
    },
    work,
  ).finally(vars.remove);
  current.steps = [fetchStep, ...stepsOf(result, pinned)];
  const known = new Set([...base.layers, ...buildpacks].map(({ diffId }) => diffId));
  const image = await shop.engine.makeImage({
    config: baseImageConfig(shop.platformNode.arch),
    layers: [...known, result.cache],
  });
  caches.remember(work.appId, { image, diffId: result.cache });
  const built = builtManifest(manifest, procfile, result.output.text('procfile'));
  return madeOf(result, base, pinned, built, current);
}

function stepsOf({ output }: BuildpackResult, pinned: readonly PinnedBuildpack[]) {
  return output.outcomes.map(({ name, seconds }, index) => ({
    name: `buildpack ${name === '' ? (pinned[index]?.reference.name ?? '') : name}`,
    seconds,
    cached: false,
  }));
}

/** What the buildpacks said, as the platform's facts. */
function madeOf(
  { output, slices }: BuildpackResult,
  base: MadeLayers,
  pinned: readonly PinnedBuildpack[],
  manifest: AppManifest,
  { log }: CurrentBuild,
): Made {
  const release = parseRelease(output.text('release') ?? '');
  const { processTypes, warnings } = finalProcessTypes(manifest, release.processTypes);
  const names = output.outcomes.map(({ name }, index) => name || (pinned[index]?.reference.name ?? ''));
  for (const addon of release.addons)
    warnings.push(`the buildpack asks for the add-on "${addon}": attach one yourself`);
  if (Object.keys(processTypes).length === 0)
    warnings.push('neither the Procfile nor a buildpack names a process type: nothing will run');
  for (const warning of warnings) log.warning(warning);
  return {
    language: names.join(' + '),
    processTypes,
    configVars: release.configVars,
    details: reportedVersions(output.text('report') ?? ''),
    warnings,
    layers: [
      ...base.layers.map(({ id, diffId, cached }) => ({ name: id, diffId, cached })),
      ...slices.map(({ name, diffId }) => ({ name, diffId })),
    ],
  };
}

function assemble(shop: Workshop, { build }: CurrentBuild, made: Made, work: LayerWork): Promise<string> {
  const config = appImageConfig({
    plan: basePlan(made.language, made.configVars),
    processTypes: made.processTypes,
    arch: shop.platformNode.arch,
    commit: build.commit,
    commitTime: work.commitTime,
    appName: build.appName,
  });
  if (!config.config) throw new AppError('internal', 'an image without a config');
  return shop.engine.makeImage({
    config: { ...config, config: { ...config.config, Entrypoint: [startPath] } },
    layers: [...work.stack.layers, ...made.layers.map(({ diffId }) => diffId)],
  });
}
