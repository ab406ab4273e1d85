// Runs the fetched buildpacks over the tree in one container and cuts what they left into layers. Called by build-with-buildpacks.ts.
// Must never keep a layer or a cache of a build that failed, nor put a config var into the container's environment.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AppError } from '@berth/kit/errors.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { appUser, baseImageConfig, pathVariable } from '../image.ts';
import { digest } from '../keys.ts';
import { sourceTar } from '../source/source-layer.ts';
import type { SourceTree } from '../source/source-tree.ts';
import { fixedMtime, type LayerWork } from '../steps/layer-work.ts';
import { discardContainer } from '../steps/prepare-engine.ts';
import { runContainer, wroteTooMuch } from '../steps/run-container.ts';
import { leftOutPaths, stackFor } from '../steps/run-step.ts';
import { BuildpackOutput } from './buildpack-output.ts';
import type { FetchedBuildpack } from './fetch-buildpacks.ts';

/** What buildpacks ask for in STACK: the stack of Heroku's that ours stands in for. */
export const herokuStack = 'heroku-24';

const buildScript = readFileSync(new URL('scripts/build', import.meta.url), 'utf8');
const scriptPath = 'opt/berth/classic/build';
const sourcePath = 'opt/berth/classic/source/app';
const outPath = '/opt/berth/classic/out';

export interface BuildpackRun {
  buildpacks: readonly FetchedBuildpack[];
  /** The tree without what .slugignore names. */
  tree: SourceTree;
  commit: string;
  binds: readonly string[];
  /** On the host, in memory. */
  varsFolder: string;
  /** The layer with the cache of the last good build. */
  cache: string | undefined;
}

/** Bottom first. */
const sliceNames = ['runtime', 'dependencies', 'rest'] as const;

export interface Slice {
  name: (typeof sliceNames)[number];
  diffId: string;
}

export interface BuildpackResult {
  output: BuildpackOutput;
  slices: Slice[];
  /** The layer with what the next build finds in CACHE_DIR. */
  cache: string;
}

export async function runBuildpacks(run: BuildpackRun, work: LayerWork): Promise<BuildpackResult> {
  const { engine, runner, platformNode } = work;
  const mark = `berth-${randomBytes(12).toString('hex')}`;
  const output = new BuildpackOutput(mark, work.log);
  const layers = await layersBelow(run, work);
  const image = await engine.makeImage({ config: baseImageConfig(platformNode.arch), layers });
  let container = '';
  try {
    const end = await runContainer(
      engine,
      {
        image,
        script: `exec bash /${scriptPath}`,
        user: 'app',
        env: environment(run, work, mark),
        binds: [...runner.sources.binds, ...run.binds, `${run.varsFolder}:/opt/berth/classic/vars:ro`],
        labels: { 'berth.build': runner.buildId, 'berth.step': 'buildpacks' },
        userns: `build-${work.appId}`,
        workingDir: '/',
      },
      {
        limits: runner.limits,
        signal: work.signal,
        mask: (text) => work.log.mask(text),
        onLine: (line) => output.push(line),
        onBytes: runner.onBytes,
        onCreated: (id) => {
          container = id;
        },
      },
    );
    if (end.exitCode !== 0 || !output.isBuilt) throw failure(run, output, end.exitCode);
    return { output, ...(await keepResult(container, output, work)) };
  } finally {
    await discardContainer(engine, container === '' ? undefined : container);
  }
}

async function layersBelow(run: BuildpackRun, work: LayerWork): Promise<string[]> {
  const { engine, objects, commitTime, signal } = work;
  const { uid, gid } = appUser;
  const script = fileEntries([{ path: scriptPath, mode: 0o755, content: Buffer.from(buildScript) }]);
  const [stack, source, build] = await Promise.all([
    stackFor({ stack: 'build' }, work),
    // Not at /app: a buildpack finds nothing there but what it writes itself.
    engine.makeLayer(sourceTar(objects, run.tree, [], sourcePath), {
      uid,
      gid,
      mtime: Math.max(commitTime, fixedMtime),
      signal,
    }),
    engine.makeLayer(writeTar(script), { uid, gid, mtime: fixedMtime }),
  ]);
  const below = [build.diffId, source.diffId, ...run.buildpacks.map(({ diffId }) => diffId)];
  return [
    ...stack.layers,
    ...new Set(below),
    ...(run.cache === undefined ? [await emptyCache(work)] : [run.cache]),
  ];
}

async function emptyCache({ engine }: LayerWork): Promise<string> {
  const { uid, gid } = appUser;
  const folder = { path: 'cache', kind: 'folder', mode: 0o755, size: 0 } as const;
  return (await engine.makeLayer(writeTar([folder]), { uid, gid, mtime: fixedMtime })).diffId;
}

/** Heroku's environment of a build. Config vars are files (ENV_DIR); what the machine's sources ask for is there for every tool. */
function environment(run: BuildpackRun, work: LayerWork, mark: string): Record<string, string> {
  return {
    ...work.runner.sources.env,
    BERTH_MARK: mark,
    BERTH_BUILDPACKS: run.buildpacks.map(({ path }) => path).join(' '),
    // The same folder in every build of the app: what remembers its path stays right, and the result the same.
    BERTH_BUILD_DIR: `/tmp/build_${digest(['build folder', work.appId]).slice(0, 8)}`,
    PATH: pathVariable([]),
    HOME: '/app',
    LANG: 'C.UTF-8',
    STACK: herokuStack,
    SOURCE_VERSION: run.commit,
    REQUEST_ID: work.runner.buildId,
    // Limits of single downloads, so that a server that hangs ends one and not the whole build.
    CURL_CONNECT_TIMEOUT: '30',
    CURL_TIMEOUT: '600',
    // Python compiles to the same bytes then.
    SOURCE_DATE_EPOCH: String(fixedMtime),
  };
}

/** The same content gives the same layer: owners are the app's user, times fixed (the commit's for what comes from it). */
async function keepResult(
  container: string,
  output: BuildpackOutput,
  work: LayerWork,
): Promise<{ slices: Slice[]; cache: string }> {
  const { engine, commitTime, runner, signal } = work;
  const { uid, gid } = appUser;
  // The engine measures the quota now and then: what was written since counts before it is copied.
  const limits = { uid, gid, maxBytes: runner.limits.diskBytes, signal };
  const layerOf = async (path: string, mtime?: number) => {
    const tar = await engine.containerArchive(container, path);
    const options = mtime === undefined ? limits : { ...limits, mtime };
    return (await engine.makeLayer(tar, options).catch((error: unknown) => tooMuch(error, work))).diffId;
  };
  const digests = new Map<string, string>();
  const mtimeOf = (name: string) => (name === 'rest' ? Math.max(commitTime, fixedMtime) : fixedMtime);
  const names = sliceNames.filter((name) => output.slices.has(name));
  for (const name of names.filter((slice) => slice !== output.inPlace))
    digests.set(name, await layerOf(`${outPath}/${name}/app`, mtimeOf(name)));
  const cache = await layerOf('/cache');
  if (output.slices.has(output.inPlace)) {
    const exclude = leftOutPaths({ keep: '/app', leaveOut: [] });
    const made = engine.commitLayer(container, { mtime: mtimeOf(output.inPlace), exclude });
    digests.set(output.inPlace, (await made.catch((error: unknown) => tooMuch(error, work))).diffId);
  }
  return { slices: names.map((name) => ({ name, diffId: digests.get(name) ?? '' })), cache };
}

function tooMuch(error: unknown, { runner }: LayerWork): never {
  if (error instanceof AppError && /larger than|too large|quota/i.test(error.message))
    throw wroteTooMuch(runner.limits);
  throw error;
}

function failure(run: BuildpackRun, output: BuildpackOutput, exitCode: number): AppError {
  const name = run.buildpacks[output.at]?.reference.name ?? '';
  const failed = (message: string, hint: string) => new AppError('build_failed', message, { hint });
  const said = output.failure;
  if (said === undefined)
    return failed(
      output.at === -1
        ? `the build could not be prepared (exit code ${exitCode})`
        : `the build ended in the buildpack "${name}" (exit code ${exitCode})`,
      'the reason is above',
    );
  switch (said.kind) {
    case 'lacks':
      return failed(
        `"${name}" is not a buildpack: it has no ${said.what}`,
        'a buildpack has bin/detect, bin/compile and bin/release at its root',
      );
    case 'refused':
      return failed(
        `app not compatible with buildpack "${name}"`,
        `its bin/detect ended with exit code ${said.exitCode}: add to the commit what it looks for, or take it out of the list`,
      );
    case 'failed':
      return failed(`the buildpack "${name}" failed with exit code ${said.exitCode}`, 'the reason is above');
    case 'unreleased':
      return failed(
        `bin/release of the buildpack "${name}" failed with exit code ${said.exitCode}`,
        'the reason is above',
      );
  }
}
