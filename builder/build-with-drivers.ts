// An app of languages that the drivers know: plans, an earlier image if there is one, the layers, the image. Called by build-image.ts.
// Must never report the end of a build: that is run-build.ts's.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildResult } from '@berth/contract/build.ts';
import { BuildLayers } from './build-layers.ts';
import type { BuildSource, CurrentBuild, Workshop } from './current-build.ts';
import { appImageConfig, appUser, webPort } from './image.ts';
import { imageKey, varsDigest } from './keys.ts';
import { stackLayers, withSizes } from './layer-sizes.ts';
import type { AppManifest } from './manifest/app-manifest.ts';
import { finalProcessTypes } from './manifest/final-process-types.ts';
import { composePlans, type NamedPlan } from './plan/compose-plans.ts';
import type { FoundDriver } from './plan/drivers.ts';
import type { BuildPlan, PlanContext } from './plan/plan.ts';
import { withBuildCommand } from './plan/with-build-command.ts';
import { printedTooMuch } from './report/printed-too-much.ts';
import { reusableImage } from './reusable-image.ts';
import type { LayerWork } from './steps/layer-work.ts';
import { type MadeLayers, makeLayers, makeSeed } from './steps/make-layers.ts';
import { runStack, toolsStack } from './steps/stack.ts';
import { listVersions } from './versions.ts';

export async function buildWithDrivers(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
): Promise<BuildResult> {
  const { build, log, abort } = current;
  const { tree, objects, choice, manifest } = source;
  if (choice.builder !== 'drivers') throw new Error(`no driver was chosen: ${choice.builder}`);
  const stack = await runStack(shop.engine);
  const work = layerWork(shop, current, { stack, tree, objects, commitTime: source.commitTime });
  const plan = await planAll(choice.drivers, work, { ...planContext(shop, current, work), manifest });
  const { processTypes, warnings: unknown } = finalProcessTypes(manifest, plan.defaultProcessTypes);
  const warnings = [
    ...plan.warnings,
    ...unknown,
    ...tree.submodules.map((path) => `submodule "${path}" is left out`),
  ];
  for (const detail of plan.details) log.detail(detail);
  for (const warning of warnings) log.warning(warning);
  const key = keyOf(shop, current, source, choice.drivers, plan, stack.id);
  const { detected } = choice;
  const earlier = await reusableImage(shop, build, key);
  if (earlier) {
    log.step(`Using the image of build ${earlier.number} (same source)`);
    return { ...earlier.result, processTypes, detected, reused: true, steps: [], warnings };
  }
  if (work.noCache) await forgetCaches(work);
  const made = await makeLayers(plan, work);
  current.steps = made.steps;
  const [image, layers] = await Promise.all([
    assemble(shop, current, { plan, processTypes, made, work }),
    withSizes(shop.engine, [...stackLayers(stack.layers), ...inImage(plan, made)]),
    keepBuildLayers(shop, build.appId, plan, made),
  ]);
  log.step(`Image ${image.slice(7, 19)} (${reusedLayers(plan, made)})`);
  abort.signal.throwIfAborted();
  return {
    key,
    image,
    language: plan.language,
    processTypes,
    port: webPort,
    user: appUser.name,
    reused: false,
    steps: made.steps,
    warnings: [...warnings, ...made.warnings],
    detected,
    details: plan.details,
    layers,
  };
}

/** A build without caches has none of its package managers' either. Pushes of an app are one after another: nobody else uses them. */
async function forgetCaches({ appId, runner, log }: LayerWork): Promise<void> {
  log.step('Building without caches');
  await rm(join(runner.cacheDir, 'apps', appId), { recursive: true, force: true });
}

/** All but the last are there for it: they need not say how the app starts. Nor need any when berth.toml or the Procfile does. */
async function planAll(
  found: readonly FoundDriver[],
  work: LayerWork,
  context: PlanContext & { manifest: AppManifest },
): Promise<BuildPlan> {
  const plans: NamedPlan[] = [];
  for (const [index, { driver }] of found.entries()) {
    const isPart = index < found.length - 1 || context.manifest.processTypes['web'] !== undefined;
    plans.push({
      name: driver.name,
      plan: await driver.plan(work.tree, { ...context, isPart, isLater: index > 0 }),
    });
  }
  return withBuildCommand(composePlans(plans), context.manifest.build.command);
}

export function layerWork(
  shop: Workshop,
  current: CurrentBuild,
  parts: Pick<LayerWork, 'stack' | 'tree' | 'objects' | 'commitTime'>,
): LayerWork {
  const { build, log, abort } = current;
  const { limits, dataDir, downloadsDir, stacksDir } = shop.config;
  let printed = 0;
  const onBytes = (bytes: number) => {
    printed += bytes;
    if (printed > limits.logBytes) abort.abort(printedTooMuch(limits.logBytes));
  };
  return {
    ...parts,
    engine: shop.engine,
    records: shop.records,
    platformNode: shop.platformNode,
    runner: {
      limits,
      sources: shop.sources,
      cacheDir: `${dataDir}/cache`,
      downloadsDir,
      stacksDir,
      buildId: build.id,
      onBytes,
    },
    appId: build.appId,
    noCache: build.noCache === true,
    vars: build.buildVars,
    varsSecret: shop.varsSecret,
    log,
    signal: abort.signal,
  };
}

export function planContext(shop: Workshop, { build, abort }: CurrentBuild, work: LayerWork): PlanContext {
  const { engine, sources, config, platformNode } = shop;
  const layers = async () => {
    const toolbox = await makeSeed({ id: 'toolbox', part: 'runtime', prefix: '/opt/berth/toolbox' }, work);
    const tools = await toolsStack(engine);
    return [...tools.layers, toolbox.diffId];
  };
  const lister = {
    engine,
    dir: `${config.dataDir}/versions`,
    sources,
    limits: config.limits,
    arch: platformNode.arch,
    layers,
    labels: { 'berth.build': build.id, 'berth.step': 'versions' },
    signal: abort.signal,
  };
  return {
    platformNode,
    arch: platformNode.arch,
    sources: sources.env,
    vars: build.buildVars,
    listVersions: (list) => listVersions(lister, list),
  };
}

function keyOf(
  shop: Workshop,
  { build }: CurrentBuild,
  { tree, configuration }: BuildSource,
  found: readonly FoundDriver[],
  plan: BuildPlan,
  stackId: string,
): string {
  const vars = varsDigest(shop.varsSecret, build.buildVars, plan.varsMatter ? 'all' : 'none');
  const versions = found.map(({ driver }) => `${driver.name} ${driver.version}`);
  return imageKey({
    tree: tree.oid,
    stack: [stackId],
    driver: { name: versions.join(', '), version: 1 },
    configuration,
    vars,
  });
}

function assemble(
  shop: Workshop,
  { build }: CurrentBuild,
  parts: { plan: BuildPlan; processTypes: Record<string, string>; made: MadeLayers; work: LayerWork },
): Promise<string> {
  const { plan, processTypes, made, work } = parts;
  const config = appImageConfig({
    plan,
    processTypes,
    arch: shop.platformNode.arch,
    commit: build.commit,
    commitTime: work.commitTime,
    appName: build.appName,
  });
  const own = inImage(plan, made).map(({ diffId }) => diffId);
  return shop.engine.makeImage({ config, layers: [...work.stack.layers, ...own] });
}

function inImage(
  plan: BuildPlan,
  made: MadeLayers,
): { name: string; diffId: string; cached: boolean; seconds?: number }[] {
  const ids = new Set(plan.layers.filter((layer) => layer.inImage).map(({ id }) => id));
  return made.layers
    .filter(({ id }) => ids.has(id))
    .map(({ id, diffId, cached, seconds }) => ({
      name: id,
      diffId,
      cached,
      ...(seconds === undefined ? {} : { seconds }),
    }));
}

function reusedLayers(plan: BuildPlan, made: MadeLayers): string {
  const layers = inImage(plan, made);
  const reused = layers.filter(({ cached }) => cached).length;
  return `${reused} of ${layers.length} layers reused`;
}

/** Compilers and the like: no image holds them, and the next push needs them again. */
function keepBuildLayers(shop: Workshop, appId: string, plan: BuildPlan, made: MadeLayers): Promise<void> {
  const inImage = new Set(plan.layers.filter((layer) => layer.inImage).map(({ id }) => id));
  const left = made.layers.filter(({ id }) => !inImage.has(id));
  return new BuildLayers(shop.config.dataDir).keep(
    shop.engine,
    { appId, arch: shop.platformNode.arch },
    left.map(({ diffId }) => diffId),
  );
}
