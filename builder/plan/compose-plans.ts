// Several languages in one app: their plans, in the order of the list, become one. Pure; called by build-with-drivers.ts.
// The source is shared; what a later language runs on the source also stands on what the earlier ones put into the image, as Heroku's
// buildpacks see each other's tools; the last one says how the app starts.
import type { BuildPlan, PlannedLayer, RunLayer } from './plan.ts';

export interface NamedPlan {
  /** The driver's name: prefix of its layers. */
  name: string;
  plan: BuildPlan;
}

export function composePlans(parts: readonly NamedPlan[]): BuildPlan {
  const [only, ...others] = parts;
  if (only && others.length === 0) return only.plan;
  const renamed = sharedSeeds(parts.map(({ name, plan }) => ({ name, plan: rename(name, plan) })));
  const plans = renamed.map(({ plan }) => plan);
  const last = plans.at(-1);
  if (!last) throw new Error('there is no plan to compose');
  const layers = inOrder(plans);
  return {
    language: unique(plans.map(({ language }) => language)).join(' + '),
    details: plans.flatMap(({ details }) => details),
    warnings: unique(plans.flatMap(({ warnings }) => warnings)),
    layers: layers.map((layer) => onEarlier(layer, layers, renamed)),
    defaultProcessTypes: last.defaultProcessTypes,
    env: merged(plans.map(({ env }) => env)),
    path: unique(plans.toReversed().flatMap(({ path }) => path)),
    varsMatter: plans.some(({ varsMatter }) => varsMatter),
  };
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Later ones win. */
function merged(environments: readonly Record<string, string>[]): Record<string, string> {
  return Object.fromEntries(environments.flatMap((env) => Object.entries(env)));
}

/** Ids are unique within the composed plan; `source` stays the one of all. */
function rename(name: string, plan: BuildPlan): BuildPlan {
  const ids = new Map(
    plan.layers.map((layer) => [layer.id, layer.kind === 'source' ? 'source' : `${name}-${layer.id}`]),
  );
  const renamed = (id: string) => ids.get(id) ?? id;
  const layers = plan.layers.map((layer): PlannedLayer => {
    const id = renamed(layer.id);
    if (layer.kind !== 'run') return { ...layer, id };
    return pointed({ ...layer, id, step: `${name} ${layer.step}` }, renamed);
  });
  return { ...plan, layers };
}

/** The platform's Node at a prefix where an earlier language has put a Node is not put there again: the earlier one may be another version. */
function sharedSeeds(parts: readonly NamedPlan[]): NamedPlan[] {
  const holders: { prefix: string; part: string; id: string }[] = [];
  const replaced = new Map<string, string>();
  const instead = (id: string) => replaced.get(id) ?? id;
  return parts.map(({ name, plan }) => {
    const layers = plan.layers.filter((layer) => {
      if (layer.kind !== 'seed' || !layer.inImage) return true;
      const holder = holders.find(
        ({ prefix, part }) => prefix === layer.prefix && (part === layer.part || part === 'any'),
      );
      if (holder) replaced.set(layer.id, holder.id);
      return holder === undefined;
    });
    for (const layer of layers) {
      if (!layer.inImage) continue;
      if (layer.kind === 'seed') holders.push({ prefix: layer.prefix, part: layer.part, id: layer.id });
      if (layer.kind === 'run' && layer.scope === 'platform' && layer.keep !== '/')
        holders.push({ prefix: layer.keep, part: 'any', id: layer.id });
    }
    return { name, plan: { ...plan, layers: layers.map((layer) => pointed(layer, instead)) } };
  });
}

/** The same layer with other ids in what it refers to. */
function pointed(layer: PlannedLayer, to: (id: string) => string): PlannedLayer {
  if (layer.kind !== 'run') return layer;
  const { on, after, withCompilers } = layer;
  return {
    ...layer,
    on: unique(on.map(to)),
    ...(after ? { after: unique(after.map(to)) } : {}),
    ...(withCompilers ? { withCompilers: { ...withCompilers, on: unique(withCompilers.on.map(to)) } } : {}),
  };
}

/** What lies below the source of any plan, the source without what any of them leaves out, what lies above it. */
function inOrder(plans: readonly BuildPlan[]): PlannedLayer[] {
  const below: PlannedLayer[] = [];
  const above: PlannedLayer[] = [];
  const leaveOut: string[] = [];
  for (const { layers } of plans) {
    let passed = false;
    for (const layer of layers) {
      if (layer.kind === 'source') {
        passed = true;
        leaveOut.push(...layer.leaveOut);
      } else (passed ? above : below).push(layer);
    }
  }
  const hasSource = plans.some(({ layers }) => layers.some(({ kind }) => kind === 'source'));
  const source: PlannedLayer = {
    kind: 'source',
    id: 'source',
    inImage: true,
    leaveOut: unique(leaveOut).sort(),
  };
  return [...below, ...(hasSource ? [source] : []), ...above];
}

/** A command of a later language that sees the source sees what the earlier ones made too. */
function onEarlier(
  layer: PlannedLayer,
  layers: readonly PlannedLayer[],
  parts: readonly NamedPlan[],
): PlannedLayer {
  if (layer.kind !== 'run' || !layer.on.includes('source')) return layer;
  const mine = parts.findIndex(({ plan }) => plan.layers.some(({ id }) => id === layer.id));
  const earlier = parts.slice(0, mine).map(({ plan }) => plan);
  if (earlier.length === 0) return layer;
  const wanted = new Set(layer.on);
  for (const plan of earlier) for (const { id, inImage } of plan.layers) if (inImage) wanted.add(id);
  const run: RunLayer = {
    ...layer,
    // Bottom first, as in the image.
    on: layers.filter(({ id }) => wanted.has(id)).map(({ id }) => id),
    env: merged([...earlier.map(({ env }) => env), layer.env]),
    path: unique([...layer.path, ...earlier.toReversed().flatMap(({ path }) => path)]),
  };
  return run;
}
