// One build from job to result: take it, read the tree, plan, look for an earlier image, make the layers, make the image, report.
// Called by main.ts for each job. Must never report with another epoch than the one it was given, nor leave a container behind.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { BuildResult, BuildStep, FinishBuild, StartedBuild } from '@berth/contract/build.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { BuilderConfig } from './config.ts';
import type { ControllerApi } from './controller-api.ts';
import { appImageConfig, appUser, webPort } from './image.ts';
import { imageKey, varsDigest } from './keys.ts';
import type { LayerRecords } from './layer-records.ts';
import { listVersions } from './node-versions.ts';
import { detectDriver } from './plan/drivers.ts';
import type { BuildPlan, Driver } from './plan/plan.ts';
import { parseProcfile } from './plan/procfile.ts';
import type { PlatformNode } from './platform-node.ts';
import { BuildLog } from './report/build-log.ts';
import { secretMasker } from './report/mask-secrets.ts';
import { GitObjects } from './source/git-objects.ts';
import { commitTime, readSourceTree, type SourceTree } from './source/source-tree.ts';
import type { BuildSources } from './sources.ts';
import type { LayerWork } from './steps/layer-work.ts';
import { type MadeLayers, makeLayers, makeSeed } from './steps/make-layers.ts';
import { runStack } from './steps/stack.ts';

export interface Workshop {
  config: BuilderConfig;
  controller: ControllerApi;
  engine: EngineClient;
  records: LayerRecords;
  platformNode: PlatformNode;
  sources: BuildSources;
  varsSecret: Uint8Array;
  log: Logger;
}

/** Everything about one build while it runs. */
interface Current {
  build: StartedBuild;
  log: BuildLog;
  abort: AbortController;
  /** Set when nothing may be reported any more: another worker has the build. */
  isStale: boolean;
  steps: BuildStep[];
}

export async function runBuild(shop: Workshop, buildId: string): Promise<void> {
  const build = await takeBuild(shop, buildId);
  if (!build) return;
  const current = openBuild(shop, build);
  const timer = setTimeout(() => current.abort.abort(tookTooLong(shop)), shop.config.limits.timeMs);
  const begun = performance.now();
  try {
    const result = await makeImage(shop, current);
    await report(shop, current, { epoch: build.epoch, status: 'succeeded', result });
  } catch (error) {
    await reportFailure(shop, current, current.abort.signal.aborted ? current.abort.signal.reason : error);
  } finally {
    clearTimeout(timer);
    shop.log.info(
      { build: build.id, app: build.appName, durationMs: Math.round(performance.now() - begun) },
      'build ended',
    );
  }
}

async function takeBuild(shop: Workshop, buildId: string): Promise<StartedBuild | undefined> {
  try {
    return await shop.controller.start(buildId, shop.config.worker);
  } catch (error) {
    const { code } = asAppError(error);
    // Finished, canceled or deleted since the job was queued: nothing to do.
    if (code === 'conflict' || code === 'not_found' || code === 'superseded') return undefined;
    throw error;
  }
}

function openBuild(shop: Workshop, build: StartedBuild): Current {
  const abort = new AbortController();
  const log = new BuildLog({
    send: (text) => shop.controller.output(build.id, build.epoch, text),
    mask: secretMasker(build.buildVars),
    onStop: (reason) => {
      current.isStale = reason === 'stale';
      abort.abort(new AppError(reason === 'stale' ? 'stale_epoch' : 'superseded', `the build was ${reason}`));
    },
  });
  const current: Current = { build, log, abort, isStale: false, steps: [] };
  return current;
}

async function makeImage(shop: Workshop, current: Current): Promise<BuildResult> {
  const { build, log, abort } = current;
  const objects = new GitObjects(build.repository, build.objectDirectories);
  try {
    const [stack, tree, [commit]] = await Promise.all([
      runStack(shop.engine),
      readSourceTree(objects, build.tree),
      objects.read([build.commit], 16 * 1024 * 1024),
    ]);
    const { driver, label } = await detectDriver(tree);
    log.step(`${label} app detected`.replace(/site app/, 'site'));
    const work = layerWork(shop, current, {
      stack,
      tree,
      objects,
      commitTime: commitTime(commit?.data ?? Buffer.alloc(0)),
    });
    const plan = await driver.plan(tree, planContext(shop, current, work));
    const processTypes = await readProcessTypes(tree, plan);
    const warnings = [...plan.warnings, ...tree.submodules.map((path) => `submodule "${path}" is left out`)];
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
    log.step(`Image ${image.slice(7, 19)} (${reusedLayers(made)})`);
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
  current: Current,
  parts: Pick<LayerWork, 'stack' | 'tree' | 'objects' | 'commitTime'>,
): LayerWork {
  const { build, log, abort } = current;
  const { limits, dataDir } = shop.config;
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
    runner: { limits, sources: shop.sources, cacheDir: `${dataDir}/cache`, buildId: build.id, onBytes },
    appId: build.appId,
    vars: build.buildVars,
    varsSecret: shop.varsSecret,
    log,
    signal: abort.signal,
    abort: (error) => abort.abort(error),
  };
}

function planContext(
  shop: Workshop,
  { build, abort }: Current,
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
    listVersions: (packageName) => listVersions(lister, packageName),
  };
}

async function readProcessTypes(tree: SourceTree, plan: BuildPlan): Promise<Record<string, string>> {
  const text = await tree.readText('Procfile', 256 * 1024);
  const declared = text === undefined ? {} : parseProcfile(text);
  if (Object.keys(declared).length === 0) return plan.defaultProcessTypes;
  // Heroku's rule: a Procfile without "web" keeps the default one only when it has nothing but a release phase.
  const onlyRelease = Object.keys(declared).every((name) => name === 'release');
  return onlyRelease ? { ...plan.defaultProcessTypes, ...declared } : declared;
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

async function reusableImage(
  shop: Workshop,
  build: StartedBuild,
  key: string,
): Promise<{ number: number; result: BuildResult } | undefined> {
  const known = await shop.controller.findByKey(build.appId, key);
  if (!known) return undefined;
  return (await shop.engine.inspectImage(known.result.image)) ? known : undefined;
}

/** A layer that the engine has dropped since it was recorded is forgotten and made again, once for each layer. */
async function assemble(
  shop: Workshop,
  build: StartedBuild,
  parts: { plan: BuildPlan; processTypes: Record<string, string>; made: MadeLayers; work: LayerWork },
): Promise<string> {
  const { plan, processTypes, work } = parts;
  const config = appImageConfig({
    plan,
    processTypes,
    arch: shop.platformNode.arch,
    commit: build.commit,
    commitTime: work.commitTime,
    appName: build.appName,
  });
  let { made } = parts;
  for (let attempt = 0; ; attempt++) {
    const inImage = new Set(plan.layers.filter((layer) => layer.inImage).map(({ id }) => id));
    const layers = [
      ...work.stack.layers,
      ...made.layers.filter(({ id }) => inImage.has(id)).map(({ diffId }) => diffId),
    ];
    try {
      return await shop.engine.makeImage({ config, layers });
    } catch (error) {
      const missing = /sha256:[0-9a-f]{64}/.exec(asAppError(error).message)?.[0];
      if (asAppError(error).code !== 'not_found' || !missing || attempt >= plan.layers.length) throw error;
      shop.records.forget(missing);
      made = await makeLayers(plan, work);
    }
  }
}

function reusedLayers(made: MadeLayers): string {
  const total = made.layers.length;
  const reused = made.layers.filter(({ cached }) => cached).length;
  return `${reused} of ${total} layers reused`;
}

// Ends

async function report(shop: Workshop, current: Current, body: FinishBuild): Promise<void> {
  if (current.isStale) return;
  await current.log.close();
  try {
    await shop.controller.finish(current.build.id, body);
  } catch (error) {
    const { code } = asAppError(error);
    // Somebody else has the build, or it was canceled or deleted meanwhile: what was made here is not wanted.
    if (code !== 'stale_epoch' && code !== 'conflict' && code !== 'not_found') throw error;
    shop.log.warn({ build: current.build.id, code }, 'result not wanted');
  }
}

async function reportFailure(shop: Workshop, current: Current, thrown: unknown): Promise<void> {
  const { build, log, steps } = current;
  const error = asAppError(thrown);
  if (error.code === 'stale_epoch') {
    await log.close();
    return;
  }
  if (error.code === 'superseded') return report(shop, current, { epoch: build.epoch, status: 'canceled' });
  const isOurs = error.code === 'internal' || error.code === 'unavailable' || error.code === 'no_space';
  if (isOurs) shop.log.error({ build: build.id, err: thrown }, 'build failed by the platform');
  const message = secretMasker(build.buildVars)(
    error.code === 'internal' ? 'the platform failed to build this push' : error.message,
  );
  const hint =
    error.code === 'internal' ? "push again; the operator finds the reason in the builder's log" : error.hint;
  await report(shop, current, {
    epoch: build.epoch,
    status: 'failed',
    error: message.split('\n', 1)[0] ?? message,
    ...(hint === undefined ? {} : { hint }),
    steps,
  });
}

function tookTooLong(shop: Workshop): AppError {
  const seconds = shop.config.limits.timeMs / 1000;
  const limit = seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} minutes` : `${seconds} seconds`;
  return new AppError('build_failed', `the build took longer than ${limit}`, {
    hint: "make it faster, or ask the platform's operator for a larger BERTH_BUILD_TIMEOUT_SECONDS",
  });
}

function printedTooMuch(bytes: number): AppError {
  const limit =
    bytes >= 1024 * 1024 ? `${Math.round(bytes / 1024 / 1024)} MB` : `${Math.round(bytes / 1024)} KB`;
  return new AppError('build_failed', `the build printed more than ${limit}`, { hint: 'print less' });
}
