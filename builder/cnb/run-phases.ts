// The lifecycle's phases, each in a container of its own: analyze, detect, restore, build, export. Called by build-with-lifecycle.ts.
// No phase has a login, a registry or the engine in reach. Those that run buildpacks see neither images nor the cache; the others have no network.
import type { BuildStep } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { baseImageConfig } from '../image.ts';
import { at, itemsOf, textOf } from '../source/located.ts';
import { parseToml } from '../source/parse-toml.ts';
import { fixedMtime, type LayerWork } from '../steps/layer-work.ts';
import { discardContainer } from '../steps/prepare-engine.ts';
import { runContainer } from '../steps/run-container.ts';
import type { BuilderImage } from './builder-image.ts';
import { type LayoutFile, layoutFolder, layoutNames, layoutPath } from './image-layout.ts';
import { type Phase, phaseFailure } from './phase-failure.ts';
import type { WorkFolder } from './work-folder.ts';

const runFile = '/berth/run.toml';
const metadataFile = '/berth/project-metadata.toml';

export interface PhaseRun {
  builder: BuilderImage;
  folder: WorkFolder;
  /** The images that the lifecycle reads, without their layers' bytes. */
  layouts: readonly LayoutFile[];
  /** Their layers: what the exporter takes over without having it. */
  knownLayers: readonly string[];
  hasPrevious: boolean;
  commit: string;
  /** On the host, in memory. */
  varsFolder: string;
  /** On the host: what the last good build of the app left for the next one. */
  cacheFolder: string;
  /** After each phase: a build that fails later shows what it did. */
  onStep: (steps: BuildStep[]) => void;
}

export interface PhasesEnd {
  /** Of the engine: as the exporter wrote it. */
  image: string;
  buildpacks: string[];
  steps: BuildStep[];
}

const titles: Record<Phase, string> = {
  analyzer: 'Analyzing the previous image',
  detector: 'Detecting buildpacks',
  restorer: 'Restoring layers',
  builder: 'Building',
  exporter: 'Exporting layers',
};

export async function runPhases(run: PhaseRun, work: LayerWork): Promise<PhasesEnd> {
  const images = await phaseImages(run, work);
  const steps: PhasesEnd['steps'] = [];
  const phase = async (name: Phase, then?: (container: string) => Promise<string>) => {
    const begun = performance.now();
    work.log.step(titles[name]);
    const result = await runPhase(name, images, run, work, then);
    steps.push({ name, seconds: Math.round(performance.now() - begun) / 1000, cached: false });
    run.onStep(steps);
    return result;
  };
  await phase('analyzer');
  await phase('detector');
  const buildpacks = readGroup(run);
  await phase('restorer');
  await phase('builder');
  const image = await phase('exporter', async (container) =>
    work.engine.loadImage(
      await work.engine.containerArchive(container, `${layoutPath(layoutNames.built)}/.`),
      { known: run.knownLayers, signal: work.signal },
    ),
  );
  return { image, buildpacks, steps };
}

interface PhaseImages {
  /** The builder as it is. */
  builder: string;
  /** With the layouts and the facts of the build above it. */
  withLayouts: string;
}

async function phaseImages({ builder, layouts, commit }: PhaseRun, work: LayerWork): Promise<PhaseImages> {
  const { engine, platformNode } = work;
  const { uid, gid } = builder;
  const { name, mirrors } = builder.runImage;
  const text = (path: string, lines: readonly string[]) => ({
    path: path.slice(1),
    mode: 0o644,
    content: Buffer.from(`${lines.join('\n')}\n`),
  });
  const files = [
    ...layouts,
    text(runFile, ['[[images]]', `image = ${JSON.stringify(name)}`, `mirrors = ${JSON.stringify(mirrors)}`]),
    text(metadataFile, [
      '[source]',
      'type = "git"',
      '[source.version]',
      `commit = ${JSON.stringify(commit)}`,
    ]),
  ];
  const layer = await engine.makeLayer(writeTar(fileEntries(files)), { uid, gid, mtime: fixedMtime });
  const { config } = baseImageConfig(platformNode.arch);
  const withLayouts = await engine.makeImage({
    config: {
      ...baseImageConfig(platformNode.arch),
      config: { ...config, Env: builder.detail.Config.Env ?? [] },
    },
    layers: [...builder.detail.RootFS.Layers, layer.diffId],
  });
  return { builder: builder.detail.Id, withLayouts };
}

/** Pure: the phase's program and arguments. */
export function phaseArguments(
  phase: Phase,
  { builder, hasPrevious }: Pick<PhaseRun, 'builder' | 'hasPrevious'>,
) {
  const owner = ['-uid', String(builder.uid), '-gid', String(builder.gid)];
  const layout = ['-layout', '-layout-dir', layoutFolder];
  const app = ['-app', '/workspace'];
  const cache = ['-cache-dir', '/cache'];
  const run = ['-run', runFile];
  const previous = hasPrevious ? layoutNames.previous : layoutNames.built;
  const more: Record<Phase, string[]> = {
    analyzer: [
      ...[...owner, ...layout, ...run, '-run-image', layoutNames.run, '-previous-image', previous],
      layoutNames.built,
    ],
    detector: [...app, '-platform', '/platform'],
    restorer: [...owner, ...layout, ...cache],
    builder: [...app, '-platform', '/platform'],
    exporter: [
      ...[...owner, ...layout, ...run, ...cache, ...app, '-project-metadata', metadataFile],
      layoutNames.built,
    ],
  };
  return [`/cnb/lifecycle/${phase}`, '-layers', '/layers', ...more[phase]];
}

async function runPhase(
  phase: Phase,
  images: PhaseImages,
  run: PhaseRun,
  work: LayerWork,
  then: (container: string) => Promise<string> = () => Promise.resolve(''),
): Promise<string> {
  const { engine, runner } = work;
  const { builder, folder } = run;
  const runsBuildpacks = phase === 'detector' || phase === 'builder';
  const size = folder.watch(runner.limits);
  let container: string | undefined;
  try {
    const end = await runContainer(
      engine,
      {
        image: runsBuildpacks ? images.builder : images.withLayouts,
        script: phaseArguments(phase, run),
        user: `${builder.uid}:${builder.gid}`,
        env: {
          ...(runsBuildpacks ? runner.sources.env : {}),
          CNB_PLATFORM_API: builder.platformApi,
          // Image layouts are experimental to the lifecycle by name only; without it the phases refuse them.
          CNB_EXPERIMENTAL_MODE: 'quiet',
          CNB_NO_COLOR: 'true',
        },
        binds: phaseBinds(run, runsBuildpacks ? runner.sources.binds : undefined),
        labels: { 'berth.build': runner.buildId, 'berth.step': phase },
        userns: `build-${work.appId}`,
        workingDir: '/',
        ...(runsBuildpacks ? {} : { network: 'none' as const }),
      },
      {
        limits: runner.limits,
        signal: AbortSignal.any([work.signal, size.signal]),
        mask: (text) => work.log.mask(text),
        // Where a container keeps the images helps nobody.
        onLine: (line) => line.includes(`${layoutFolder}/`) || work.log.detail(line),
        onBytes: runner.onBytes,
        onCreated: (id) => {
          container = id;
        },
      },
    );
    await size.end();
    if (end.exitCode !== 0) throw phaseFailure(phase, end.exitCode, builder.reference);
    if (container === undefined) throw new AppError('internal', 'the engine made no container');
    return await then(container);
  } finally {
    size.stop();
    await discardContainer(engine, container);
  }
}

/** `sources`: of a phase that runs buildpacks, which sees config vars and no cache. */
function phaseBinds(
  { folder, varsFolder, cacheFolder }: PhaseRun,
  sources: readonly string[] | undefined,
): string[] {
  const shared = [`${folder.layers}:/layers`, `${folder.workspace}:/workspace`];
  if (sources === undefined) return [...shared, `${cacheFolder}:/cache`];
  return [...shared, ...sources, `${varsFolder}:/platform/env:ro`];
}

/** Which buildpacks have taken the app. What would change the build's own images is refused: there is no phase for it here. */
function readGroup({ folder, builder }: PhaseRun): string[] {
  const text = folder.readLayersFile('group.toml', 1024 * 1024);
  if (text === undefined)
    throw new AppError('build_failed', 'the detector names no buildpacks', {
      hint: `the builder "${builder.reference}" is damaged`,
    });
  const group = parseToml('group.toml', text);
  const names = (key: string) =>
    itemsOf(at(group, key)).map(
      (one) => `${textOf(at(one, 'id')) ?? ''} ${textOf(at(one, 'version')) ?? ''}`,
    );
  const [extension] = names('group-extensions');
  if (extension !== undefined)
    throw new AppError(
      'build_failed',
      `the image extension "${extension.trim()}" would change the base image`,
      {
        hint: 'image extensions are not run on this platform: choose a builder without them',
      },
    );
  return names('group').map((name) => name.trim());
}
