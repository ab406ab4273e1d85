// From the tree to the image: detect, plan, look for an earlier image, make the layers, put them together. Called by run-build.ts, once an attempt.
// Must never report the end of a build: that is run-build.ts's.
import type { BuildResult, StartedBuild } from '@berth/contract/build.ts';
import type { CurrentBuild, Workshop } from './current-build.ts';
import { buildFromDockerfile, isDockerfileApp } from './dockerfile/build-from-dockerfile.ts';
import { appImageConfig, appUser, webPort } from './image.ts';
import { imageKey, varsDigest } from './keys.ts';
import { detectDriver, findDriver } from './plan/drivers.ts';
import type { BuildPlan, Driver } from './plan/plan.ts';
import { readProcessTypes } from './plan/process-types.ts';
import { printedTooMuch } from './report/printed-too-much.ts';
import { reusableImage } from './reusable-image.ts';
import { GitObjects } from './source/git-objects.ts';
import { commitTime, readSourceTree } from './source/source-tree.ts';
import type { LayerWork } from './steps/layer-work.ts';
import { type MadeLayers, makeLayers, makeSeed } from './steps/make-layers.ts';
import { runStack } from './steps/stack.ts';
import { listVersions } from './versions.ts';

export async function buildImage(shop: Workshop, current: CurrentBuild): Promise<BuildResult> {
  const { build, log, abort } = current;
  const objects = new GitObjects(build.repository, build.objectDirectories);
  try {
    const [stack, tree, [commit]] = await Promise.all([
      runStack(shop.engine),
      readSourceTree(objects, build.tree),
      objects.read([build.commit], 16 * 1024 * 1024),
    ]);
    if (isDockerfileApp(tree) && !(await findDriver(tree)))
      return await buildFromDockerfile(shop, current, { tree, objects });
    const { driver, label } = await detectDriver(tree);
    log.step(`${label} app detected`.replace(/site app/, 'site'));
    const work = layerWork(shop, current, {
      stack,
      tree,
      objects,
      commitTime: commitTime(commit?.data ?? Buffer.alloc(0)),
    });
    const plan = await driver.plan(tree, planContext(shop, current, work));
    const processTypes = await readProcessTypes(tree, plan.defaultProcessTypes);
    const warnings = [...plan.warnings, ...tree.submodules.map((path) => `submodule "${path}" is left out`)];
    for (const detail of plan.details) log.detail(detail);
    for (const warning of warnings) log.warning(warning);
    const key = keyOf(shop, build, driver, plan, stack.id);
    const earlier = await reusableImage(shop, build, key);
    if (earlier) {
      log.step(`Using the image of build ${earlier.number} (same source)`);
      return { ...earlier.result, reused: true, steps: [], warnings };
    }
    const made = await makeLayers(plan, work);
    current.steps = made.steps;
    const image = await assemble(shop, build, { plan, processTypes, made, work });
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
      warnings,
    };
  } finally {
    objects.close();
  }
}

function layerWork(
  shop: Workshop,
  current: CurrentBuild,
  parts: Pick<LayerWork, 'stack' | 'tree' | 'objects' | 'commitTime'>,
): LayerWork {
  const { build, log, abort } = current;
  const { limits, dataDir, downloadsDir } = shop.config;
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
      buildId: build.id,
      onBytes,
    },
    appId: build.appId,
    vars: build.buildVars,
    varsSecret: shop.varsSecret,
    log,
    signal: abort.signal,
  };
}

function planContext(
  shop: Workshop,
  { build, abort }: CurrentBuild,
  work: LayerWork,
): Parameters<Driver['plan']>[1] {
  const { engine, sources, config, platformNode } = shop;
  const layers = async () => {
    const toolbox = await makeSeed({ id: 'toolbox', part: 'runtime', prefix: '/opt/berth/toolbox' }, work);
    return [...work.stack.layers, toolbox.diffId];
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
    vars: build.buildVars,
    listVersions: (list) => listVersions(lister, list),
  };
}

function keyOf(
  shop: Workshop,
  build: StartedBuild,
  driver: Driver,
  plan: BuildPlan,
  stackId: string,
): string {
  const vars = varsDigest(shop.varsSecret, build.buildVars, plan.varsMatter ? 'all' : 'none');
  return imageKey({ tree: build.tree, stack: [stackId], driver, vars });
}

function assemble(
  shop: Workshop,
  build: StartedBuild,
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
  const inImage = new Set(plan.layers.filter((layer) => layer.inImage).map(({ id }) => id));
  const own = made.layers.filter(({ id }) => inImage.has(id)).map(({ diffId }) => diffId);
  return shop.engine.makeImage({ config, layers: [...work.stack.layers, ...own] });
}

function reusedLayers(plan: BuildPlan, made: MadeLayers): string {
  const inImage = made.layers.filter((_, index) => plan.layers[index]?.inImage);
  const reused = inImage.filter(({ cached }) => cached).length;
  return `${reused} of ${inImage.length} layers reused`;
}
