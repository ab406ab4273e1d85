// The image as the exporter left it, and what the platform makes of it: names of layers, process types, how commands start. Pure.
// Used by build-with-lifecycle.ts and rebase-image.ts.
import type { ImageConfig, ImageDetail } from '@berth/clients/engine-types.ts';
import type { BuildLayer } from '@berth/contract/build.ts';
import { listAt, textAt, valueAt } from './builder-image.ts';

export const lifecycleLabel = 'io.buildpacks.lifecycle.metadata';
const buildLabel = 'io.buildpacks.build.metadata';
const processFolder = '/cnb/process/';

/**
 * The image's ENTRYPOINT. The launcher puts the environment of the buildpacks in place and then runs the command as it is; a process
 * type's own program is the launcher again, and its environment must not be put in place twice.
 */
const startScript = `case "$3" in "exec ${processFolder}"*) exec "$@";; esac
exec /cnb/lifecycle/launcher -- "$@"`;

export function labelJson(image: ImageDetail, name: string): unknown {
  try {
    return JSON.parse(image.Config.Labels?.[name] ?? '') as unknown;
  } catch {
    return undefined;
  }
}

/** Commands by process type. A name that cannot stand in a path as it is has no program of its own. */
export function processTypesOf(image: ImageDetail): Record<string, string> {
  const types = listAt(labelJson(image, buildLabel), 'processes').flatMap((process) => {
    const type = textAt(process, 'type');
    return type !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(type) ? [type] : [];
  });
  return Object.fromEntries(types.map((type) => [type, `${processFolder}${type}`]));
}

/** "procfile 1.0.0": the versions that built it. */
export function buildpacksOf(image: ImageDetail): string[] {
  return listAt(labelJson(image, buildLabel), 'buildpacks').flatMap((buildpack) => {
    const id = textAt(buildpack, 'id');
    return id === undefined ? [] : [`${id} ${textAt(buildpack, 'version') ?? ''}`.trim()];
  });
}

/** The layers from the bottom; of the run image's, those up to its top. */
export function namedLayers(
  image: ImageDetail,
  runLayers: number,
  earlier: ReadonlySet<string>,
): Omit<BuildLayer, 'sizeBytes'>[] {
  const names = layerNames(labelJson(image, lifecycleLabel));
  const own = image.RootFS.Layers.slice(runLayers).map((diffId) => ({
    name: names.get(diffId) ?? 'layer',
    diffId,
    cached: earlier.has(diffId),
  }));
  return [...runImageLayers(image.RootFS.Layers.slice(0, runLayers)), ...own];
}

export function runImageLayers(diffIds: readonly string[]): Omit<BuildLayer, 'sizeBytes'>[] {
  return diffIds.map((diffId, index) => ({
    name: diffIds.length === 1 ? 'run image' : `run image ${index + 1}`,
    diffId,
    cached: true,
  }));
}

function layerNames(metadata: unknown): Map<string, string> {
  const names = new Map<string, string>();
  const add = (place: unknown, name: string) => {
    const sha = textAt(place, 'sha');
    if (sha !== undefined) names.set(sha, name);
  };
  for (const slice of listAt(metadata, 'app')) add(slice, 'app');
  for (const name of ['config', 'launcher', 'process-types', 'sbom']) add(valueAt(metadata, name), name);
  for (const buildpack of listAt(metadata, 'buildpacks')) {
    const layers = valueAt(buildpack, 'layers');
    if (typeof layers !== 'object' || layers === null) continue;
    for (const [name, layer] of Object.entries(layers))
      add(layer, `${textAt(buildpack, 'key') ?? ''}:${name}`);
  }
  return names;
}

export function launchConfig(
  image: ImageDetail,
  facts: { labels: Record<string, string>; runImage: string; createdAt: number },
): ImageConfig {
  const { Config } = image;
  // The exporter's ENTRYPOINT is the default process type's program, when there is a default.
  const [program] = Config.Entrypoint ?? [];
  const command = program?.startsWith(processFolder) ? `exec ${program}` : undefined;
  return {
    architecture: image.Architecture,
    os: 'linux',
    created: new Date(facts.createdAt * 1000).toISOString(),
    config: {
      ...(Config as ImageConfig['config']),
      Entrypoint: ['/bin/sh', '-c', startScript, 'start'],
      ...(command === undefined ? {} : { Cmd: ['/bin/sh', '-c', command] }),
      Labels: {
        ...Config.Labels,
        [lifecycleLabel]: withRunImage(labelJson(image, lifecycleLabel), { reference: facts.runImage }),
        ...facts.labels,
      },
    },
  };
}

/** The lifecycle knows the run image by a folder of its container; everybody else by its id. */
export function withRunImage(metadata: unknown, facts: { reference: string; topLayer?: string }): string {
  const before = typeof metadata === 'object' && metadata !== null ? metadata : {};
  const runImage = valueAt(before, 'runImage');
  const known = typeof runImage === 'object' && runImage !== null ? runImage : {};
  return JSON.stringify({ ...before, runImage: { ...known, ...facts } });
}
