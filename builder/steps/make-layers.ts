// Executes a plan: makes every layer that is not there yet, as soon as the layers below it are, and gives their digests in the plan's order.
// Called by run-build.ts. Must never keep a layer of a failed or aborted command.
import type { BuildStep } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { appUser } from '../image.ts';
import { digest, layerKey, varsDigest } from '../keys.ts';
import type { BuildPlan, PlannedLayer, RunLayer, SeedLayer } from '../plan/plan.ts';
import { platformNodeTar } from '../platform-node.ts';
import { sourceTar } from '../source/source-layer.ts';
import { fixedMtime, type LayerWork, type MadeLayer } from './layer-work.ts';
import { runStep, varsFor } from './run-step.ts';
import { searchedValues, searchLayer } from './search-layer.ts';

export interface MadeLayers {
  layers: MadeLayer[];
  steps: BuildStep[];
  /** Config vars that were found in what this build made. */
  warnings: string[];
}

export async function makeLayers(plan: BuildPlan, build: LayerWork): Promise<MadeLayers> {
  // The first failure ends the other steps, without ending the build: it may be tried again.
  const failing = new AbortController();
  const work = { ...build, signal: AbortSignal.any([build.signal, failing.signal]) };
  const making = new Map<string, Promise<MadeLayer>>();
  const steps: BuildStep[] = [];
  const searches: Promise<string[]>[] = [];
  const start = (layer: PlannedLayer): Promise<MadeLayer> => {
    const promise = makeLayer(layer, work, made, steps);
    promise.then(
      (result) => searches.push(searchFor(layer, result, work)),
      (error: unknown) => failing.abort(error),
    );
    making.set(layer.id, promise);
    return promise;
  };
  const made = (id: string): Promise<MadeLayer> => {
    const layer = plan.layers.find((planned) => planned.id === id);
    if (!layer) throw new AppError('internal', `the plan names a layer "${id}" that it does not have`);
    return making.get(id) ?? start(layer);
  };
  const onlyForCompilers = new Set(plan.layers.flatMap(compilerLayers));
  for (const layer of plan.layers)
    if (!making.has(layer.id) && !onlyForCompilers.has(layer.id)) void start(layer);
  await Promise.allSettled(making.values());
  // What fails after the first error only follows from it.
  if (work.signal.aborted) throw work.signal.reason;
  const layers = await Promise.all(plan.layers.flatMap(({ id }) => making.get(id) ?? []));
  const warnings = (await Promise.all(searches)).flat();
  return { layers, steps, warnings };
}

/** A value may be there on purpose: it is said, with the place, and nothing fails. Said by the build that made the layer. */
async function searchFor(layer: PlannedLayer, made: MadeLayer, work: LayerWork): Promise<string[]> {
  if (layer.kind !== 'run' || !layer.inImage || layer.vars === 'none' || made.cached) return [];
  const { engine, log, signal } = work;
  const values = searchedValues(log.secrets);
  const found = await searchLayer(engine, made.diffId, values, signal).catch(() => undefined);
  const warnings = found
    ? found.map(({ name, path }) =>
        log.mask(
          `the value of ${name} is in the image, in "/${printable(path)}": who gets the image can read it`,
        ),
      )
    : [`the layer "${layer.id}" could not be searched for values of config vars`];
  if (!signal.aborted) for (const warning of warnings) log.warning(warning);
  return warnings;
}

/** A file's name is the app's to choose. */
function printable(path: string): string {
  const text = path.replace(/\p{Cc}/gu, '?');
  return text.length > 200 ? `…${text.slice(-200)}` : text;
}

function compilerLayers(layer: PlannedLayer): string[] {
  return layer.kind === 'run' ? (layer.withCompilers?.on ?? []) : [];
}

async function makeLayer(
  layer: PlannedLayer,
  work: LayerWork,
  made: (id: string) => Promise<MadeLayer>,
  steps: BuildStep[],
): Promise<MadeLayer> {
  switch (layer.kind) {
    case 'seed':
      return makeSeed(layer, work);
    case 'files':
      return makeFiles(layer, work);
    case 'source':
      return makeSource(layer.id, layer.leaveOut, work, steps);
    case 'run': {
      const below = await Promise.all(layer.on.map(made));
      await Promise.all((layer.after ?? []).map(made));
      return makeRun(layer, below, work, { made, steps });
    }
  }
}

export async function makeSeed(
  layer: Omit<SeedLayer, 'kind' | 'inImage'>,
  work: Pick<LayerWork, 'records' | 'engine' | 'platformNode'>,
): Promise<MadeLayer> {
  const { engine, platformNode } = work;
  const { id, part, prefix } = layer;
  const key = digest([
    'seed',
    part,
    prefix,
    platformNode.version,
    platformNode.npmVersion,
    platformNode.arch,
  ]);
  return recorded(id, key, work, async () => {
    const made = await engine.makeLayer(platformNodeTar(platformNode, part, prefix), {
      uid: 0,
      gid: 0,
      mtime: fixedMtime,
    });
    return made.diffId;
  });
}

async function makeFiles(layer: PlannedLayer & { kind: 'files' }, work: LayerWork): Promise<MadeLayer> {
  return recorded(layer.id, digest(['files', layer.files]), work, async () => {
    const tar = writeTar(
      fileEntries(layer.files.map((file) => ({ ...file, content: Buffer.from(file.content) }))),
    );
    const made = await work.engine.makeLayer(tar, { uid: 0, gid: 0, mtime: fixedMtime });
    return made.diffId;
  });
}

async function makeSource(
  id: string,
  leaveOut: string[],
  work: LayerWork,
  steps: BuildStep[],
): Promise<MadeLayer> {
  const begun = performance.now();
  const { engine, tree, objects, commitTime, signal } = work;
  const layer = await engine.makeLayer(sourceTar(objects, tree, leaveOut), {
    uid: appUser.uid,
    gid: appUser.gid,
    // The commit's time: files that changed look changed to HTTP caches, and the same commit gives the same layer.
    mtime: Math.max(commitTime, fixedMtime),
    signal,
  });
  const seconds = secondsSince(begun);
  steps.push({ name: 'source', seconds, cached: false });
  return { id, diffId: layer.diffId, identity: `${tree.oid} ${leaveOut.join(' ')}`, cached: false, seconds };
}

async function makeRun(
  layer: RunLayer,
  below: MadeLayer[],
  work: LayerWork,
  { made, steps }: { made: (id: string) => Promise<MadeLayer>; steps: BuildStep[] },
): Promise<MadeLayer> {
  const { log, stack, appId } = work;
  const begun = performance.now();
  const key = layerKey(layer, {
    // Packages of the stack's suite follow its updates; what is made with them stays good, as Debian keeps its suites compatible.
    stack: layer.keep === '/' ? stack.id : stack.family,
    below: below.map(({ identity }) => identity),
    appId,
    vars: varsDigest(work.varsSecret, varsFor(layer, work.vars), layer.vars),
  });
  const make = () => runStep(layer, below, work, (ids) => Promise.all(ids.map(made)));
  const anew = work.noCache && layer.scope === 'app';
  const result = await recorded(layer.id, key, work, make, anew);
  if (result.cached && layer.cachedTitle) log.step(layer.cachedTitle);
  const seconds = secondsSince(begun);
  steps.push({ name: layer.step, seconds, cached: result.cached });
  return { ...result, seconds };
}

/** The layer of that key, made now if nobody has made it, or when it must be made `anew`; two builds that need the same one make it once. */
async function recorded(
  id: string,
  key: string,
  work: Pick<LayerWork, 'records' | 'engine'>,
  make: () => Promise<string>,
  anew = false,
): Promise<MadeLayer> {
  const known = anew ? undefined : await stillThere(key, work);
  if (known !== undefined) return { id, diffId: known, identity: known, cached: true };
  return work.records.exclusively(key, async () => {
    const meanwhile = anew ? undefined : await stillThere(key, work);
    if (meanwhile !== undefined) return { id, diffId: meanwhile, identity: meanwhile, cached: true };
    const diffId = await make();
    work.records.remember(key, diffId);
    return { id, diffId, identity: diffId, cached: false };
  });
}

/** The engine may have dropped a layer that no image needs, or lost it in a crash. */
async function stillThere(
  key: string,
  { records, engine }: Pick<LayerWork, 'records' | 'engine'>,
): Promise<string | undefined> {
  const known = records.find(key);
  if (known === undefined || (await engine.hasLayer(known))) return known;
  records.forget(known);
  return undefined;
}

function secondsSince(begun: number): number {
  return Math.round(performance.now() - begun) / 1000;
}
