// Makes a stand-in (stand-ins.ts) an image of the engine: the driver's plan for it, its layers, its config. Called by choose-bases.ts.
// Its layers are everybody's: no config var and nothing of the app may reach them.
import type { ImageConfig } from '@berth/clients/engine-types.ts';
import { AppError } from '@berth/kit/errors.ts';
import { layerWork, planContext } from '../build-with-drivers.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { ociArchitecture, pathVariable } from '../image.ts';
import { packagesLayer } from '../plan/packages-layer.ts';
import type { BuildPlan, PlannedLayer, RunLayer } from '../plan/plan.ts';
import { treeOfTexts } from '../source/tree-of-texts.ts';
import type { LayerWork } from '../steps/layer-work.ts';
import { makeLayers } from '../steps/make-layers.ts';
import { stackFor } from '../steps/run-step.ts';
import { runStack } from '../steps/stack.ts';
import { parseTag } from './image-names.ts';
import type { StandInKind } from './stand-in-kinds.ts';
import { type StandIn, standIn } from './stand-ins.ts';

export interface MadeStandIn {
  image: string;
  /** "Node.js 24.21.0 on Debian 13" */
  what: string;
  warnings: string[];
  layers: string[];
}

export async function makeStandIn(
  shop: Workshop,
  current: CurrentBuild,
  { tree, objects, commitTime }: BuildSource,
  { kind, tag, written }: { kind: StandInKind; tag: string; written: string },
): Promise<MadeStandIn> {
  const stack = await runStack(shop.engine);
  const work = { ...layerWork(shop, current, { stack, tree, objects, commitTime }), vars: {} };
  const recipe = standIn(kind, parseTag(tag));
  const planned = await languagePlan(recipe, shop, current, work).catch((error: unknown) => {
    throw asFrom(error, recipe, written);
  });
  const plan = standInPlan(recipe, planned);
  const [base, made] = await Promise.all([stackFor({ stack: recipe.base }, work), makeLayers(plan, work)]);
  const inImage = new Set(plan.layers.filter((layer) => layer.inImage).map(({ id }) => id));
  const layers = made.layers.filter(({ id }) => inImage.has(id)).map(({ diffId }) => diffId);
  const config = imageConfig(recipe, shop.platformNode.arch);
  const image = await shop.engine.makeImage({ config, layers: [...base.layers, ...layers] });
  const [version] = planned?.details ?? [];
  const language = version?.replace(/ \(.*/, '');
  return {
    image,
    what: language === undefined ? recipe.what : `${language} on Debian 13`,
    warnings: (planned?.warnings ?? []).filter((warning) => / instead of /.test(warning)),
    layers: [...base.layers, ...made.layers.map(({ diffId }) => diffId)],
  };
}

async function languagePlan(
  { language }: StandIn,
  shop: Workshop,
  current: CurrentBuild,
  work: LayerWork,
): Promise<BuildPlan | undefined> {
  if (!language) return undefined;
  const context = planContext(shop, current, work);
  return language.driver.plan(treeOfTexts(language.files), { ...context, vars: {}, isPart: true });
}

/** The driver names the files that asked; here it was FROM. */
function asFrom(error: unknown, { language }: StandIn, written: string): unknown {
  if (!(error instanceof AppError)) return error;
  const files = Object.keys(language?.files ?? {});
  const named = files.find((file) => error.message.includes(file));
  if (named === undefined) return error;
  const message = error.message.replace(named, `FROM ${written}`);
  return new AppError(error.code, message, error.hint === undefined ? {} : { hint: error.hint });
}

/** Pure: the runtime's layers with whatever they stand on, packages, and the last step. */
export function standInPlan(recipe: StandIn, planned: BuildPlan | undefined): BuildPlan {
  const kept = recipe.language?.layers ?? [];
  const wanted = new Set<string>();
  const want = (id: string) => {
    const layer = planned?.layers.find((one) => one.id === id);
    if (!layer || wanted.has(id)) return;
    wanted.add(id);
    if (layer.kind === 'run') for (const below of layer.on) want(below);
  };
  for (const id of [...kept, ...(recipe.finish?.on ?? [])]) want(id);
  const layers: PlannedLayer[] = (planned?.layers ?? [])
    .filter(({ id }) => wanted.has(id))
    .map((layer) => ({ ...layer, inImage: kept.includes(layer.id) }));
  if (recipe.packages) {
    const title = recipe.packages.join(', ');
    layers.push(packagesLayer({ id: 'packages', title, packages: recipe.packages }));
  }
  if (recipe.finish) layers.push(finishLayer(recipe, recipe.finish, layers));
  return {
    language: '',
    details: [],
    warnings: [],
    layers,
    defaultProcessTypes: {},
    env: {},
    path: [],
    varsMatter: false,
  };
}

function finishLayer(
  recipe: StandIn,
  finish: NonNullable<StandIn['finish']>,
  below: PlannedLayer[],
): RunLayer {
  return {
    kind: 'run',
    id: 'stand-in',
    inImage: true,
    title: 'Laying out the base image',
    step: 'base image',
    on: below.filter(({ id, inImage }) => inImage || finish.on.includes(id)).map(({ id }) => id),
    key: [recipe.base],
    scope: 'platform',
    files: [],
    stack: recipe.base,
    user: 'root',
    script: finish.script,
    env: {},
    path: [...finish.path],
    vars: 'none',
    caches: {},
    keep: '/',
    leaveOut: [],
    quiet: true,
  };
}

function imageConfig(recipe: StandIn, arch: 'x64' | 'arm64'): ImageConfig {
  const env = { PATH: pathVariable(recipe.path), LANG: 'C.UTF-8', ...recipe.env };
  return {
    architecture: ociArchitecture(arch),
    os: 'linux',
    config: {
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      WorkingDir: '/',
      ...recipe.config,
    },
  };
}
