// One step of a plan that runs a command: assembles the image below it, runs the container, turns what it wrote into a layer.
// Called by make-layers.ts on a cache miss. Leaves no container behind, whatever happens.
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import { fileEntries, writeTar } from '@berth/kit/write-tar.ts';
import { appUser, baseImageConfig, pathVariable } from '../image.ts';
import type { RunLayer } from '../plan/plan.ts';
import type { BuildSources } from '../sources.ts';
import { type CacheUse, useCaches } from './cache-use.ts';
import { fixedMtime, type LayerWork, type MadeLayer } from './layer-work.ts';
import { discardContainer } from './prepare-engine.ts';
import { runContainer, wroteTooMuch } from './run-container.ts';
import { buildStack, type Stack, toolsStack } from './stack.ts';

/** Variables of the app that would break the tools of a build, as Heroku's buildpacks leave them out. */
const neverPassed =
  /^(PATH|HOME|SHELL|PWD|IFS|ENV|BASH_ENV|GIT_DIR|CPATH|CPPATH|LIBRARY_PATH|LANG|BUILD_DIR|LD_.*|npm_config_cache)$/;

/** `more` makes the layers that only a second try with compilers needs. */
export async function runStep(
  layer: RunLayer,
  below: readonly MadeLayer[],
  work: LayerWork,
  more: (ids: readonly string[]) => Promise<MadeLayer[]>,
): Promise<string> {
  try {
    return await runOnce(layer, below, work);
  } catch (error) {
    const { withCompilers } = layer;
    const output = error instanceof AppError ? stepOutputs.get(error) : undefined;
    if (!withCompilers || layer.stack === 'build' || output === undefined || !withCompilers.when(output))
      throw error;
    work.log.step('A package has to be compiled: once more, with compilers');
    const { on, env } = withCompilers;
    const again: RunLayer = { ...layer, stack: 'build', env: { ...layer.env, ...env } };
    return runOnce(again, [...below, ...(await more(on))], work);
  }
}

/** What a failed command printed last, by the error that says so. */
const stepOutputs = new WeakMap<AppError, string>();

async function runOnce(layer: RunLayer, below: readonly MadeLayer[], work: LayerWork): Promise<string> {
  // The downloads of platform layers are whole or not there: those come under their name by a rename.
  const names = layer.scope === 'app' ? Object.keys(layer.caches) : [];
  const caches = await useCaches(cacheFolder(layer, work), names, `${work.runner.buildId}.${layer.id}`);
  try {
    return await runAndKeep(layer, below, work, caches);
  } finally {
    caches.release();
  }
}

async function runAndKeep(
  layer: RunLayer,
  below: readonly MadeLayer[],
  work: LayerWork,
  caches: CacheUse,
): Promise<string> {
  const { engine, runner, platformNode } = work;
  const [stack, files] = await Promise.all([stackFor(layer, work), filesLayer(layer, work)]);
  if (!layer.quiet || layer.scope === 'platform') work.log.step(layer.title);
  const layers = [...stack.layers, ...below.map(({ diffId }) => diffId), ...files];
  const [image, binds] = await Promise.all([
    engine.makeImage({ config: baseImageConfig(platformNode.arch), layers }),
    cacheBinds(layer, work),
  ]);
  let container: string | undefined;
  try {
    const held: string[] = [];
    const show = (line: string) => (layer.quiet ? held.push(line) : work.log.detail(line));
    const end = await runContainer(
      engine,
      {
        image,
        script: layer.script,
        user: layer.user,
        env: stepEnvironment(layer, runner.sources, work.vars),
        binds: [...runner.sources.binds, ...binds],
        labels: { 'berth.build': runner.buildId, 'berth.step': layer.id },
        userns: layer.scope === 'app' ? `build-${work.appId}` : 'build-platform',
        workingDir: layer.scope === 'app' ? '/app' : '/',
      },
      {
        limits: runner.limits,
        signal: work.signal,
        mask: (text) => work.log.mask(text),
        onLine: show,
        onBytes: runner.onBytes,
        onCreated: (id) => {
          container = id;
        },
      },
    );
    await caches.ended();
    if (end.exitCode !== 0) {
      for (const line of held) work.log.detail(line);
      const failure = stepFailure(layer, end.exitCode, end.tail);
      stepOutputs.set(failure, end.tail);
      throw failure;
    }
    if (container === undefined) throw new AppError('internal', 'the engine made no container');
    return await keepLayer(layer, container, work);
  } finally {
    await discardContainer(engine, container);
  }
}

async function keepLayer(layer: RunLayer, container: string, { engine, runner }: LayerWork): Promise<string> {
  try {
    const options = { mtime: fixedMtime, exclude: leftOutPaths(layer) };
    return (await engine.commitLayer(container, options)).diffId;
  } catch (error) {
    // The engine looks at the quota every second or two; a command that ends sooner is measured here.
    if (/disk quota/.test(asAppError(error).message)) throw wroteTooMuch(runner.limits);
    throw error;
  }
}

function stepFailure(layer: RunLayer, exitCode: number, tail: string): AppError {
  const known = layer.explain?.(tail, exitCode);
  if (known) {
    const { message, hint } = known;
    return new AppError('build_failed', message, hint === undefined ? {} : { hint });
  }
  const what = layer.title.charAt(0).toLowerCase() + layer.title.slice(1);
  return new AppError('build_failed', `${what} failed with exit code ${exitCode}`, {
    hint: 'the reason is above',
  });
}

export async function stackFor(layer: Pick<RunLayer, 'stack'>, work: LayerWork): Promise<Stack> {
  if (layer.stack === 'run') return work.stack;
  const { engine, records, runner, log, signal } = work;
  if (layer.stack === 'tools') return toolsStack(engine);
  return buildStack(
    { engine, records, stacksDir: runner.stacksDir },
    {
      signal,
      onMake: () => log.step('Preparing compilers for native packages (once a host)'),
    },
  );
}

/** The files of the tree that the step may see, as a layer of their own below it. */
async function filesLayer(layer: RunLayer, work: LayerWork): Promise<string[]> {
  if (layer.files.length === 0) return [];
  const oids = layer.files.flatMap((path) => work.tree.entries.get(path)?.oid ?? []);
  const blobs = await work.objects.read(oids, 256 * 1024 * 1024);
  const files = layer.files.map((path, index) => ({
    path: `app/${path}`,
    mode: work.tree.entries.get(path)?.kind === 'executable' ? 0o755 : 0o644,
    content: blobs[index]?.data ?? Buffer.alloc(0),
  }));
  const { uid, gid } = appUser;
  const made = await work.engine.makeLayer(writeTar(fileEntries(files)), { uid, gid, mtime: fixedMtime });
  return [made.diffId];
}

function cacheFolder(layer: RunLayer, { runner, appId }: LayerWork): string {
  return layer.scope === 'app' ? join(runner.cacheDir, 'apps', appId) : runner.downloadsDir;
}

async function cacheBinds(layer: RunLayer, work: LayerWork): Promise<string[]> {
  const parent = cacheFolder(layer, work);
  const { uid, gid } = layer.user === 'app' ? appUser : { uid: 0, gid: 0 };
  const binds: string[] = [];
  for (const [name, target] of Object.entries(layer.caches)) {
    const folder = join(parent, name);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chown(folder, uid, gid);
    binds.push(`${folder}:${target}`);
  }
  return binds;
}

/** The config vars that a step may depend on. */
export function varsFor(
  layer: Pick<RunLayer, 'varsLeftOut'>,
  vars: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(vars).filter(([name]) => !layer.varsLeftOut?.includes(name)));
}

/** Pure: the command's whole environment. The app's variables come before the step's own, so that they cannot redirect its caches. */
export function stepEnvironment(
  layer: RunLayer,
  sources: Pick<BuildSources, 'env' | 'gitEnv'>,
  vars: Readonly<Record<string, string>>,
): Record<string, string> {
  const passed =
    layer.vars === 'none'
      ? []
      : Object.entries(varsFor(layer, vars)).filter(([name]) => !neverPassed.test(name));
  const env = { ...sources.env, ...sources.gitEnv, ...Object.fromEntries(passed), ...layer.env };
  const nodeEnv = layer.vars === 'none' ? undefined : vars['NODE_ENV'];
  return {
    ...env,
    ...(nodeEnv === undefined ? {} : { NODE_ENV: nodeEnv }),
    PATH: pathVariable(layer.path),
    HOME: '/tmp',
    LANG: 'C.UTF-8',
  };
}

/** What belongs to a container alone, whatever a step keeps. The CA bundle is the machine's, mounted over the stack's. */
const neverKept = [
  '/app',
  '/cache',
  '/dev',
  '/proc',
  '/root',
  '/run',
  '/sys',
  '/tmp',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/ssl/certs/ca-certificates.crt',
];

/** Top-level folders of the stack; a step keeps what it wrote below one of them. */
const topFolders = [
  'app',
  'bin',
  'boot',
  'cache',
  'dev',
  'etc',
  'home',
  'lib',
  'lib64',
  'media',
  'mnt',
  'opt',
  'proc',
  'root',
  'run',
  'sbin',
  'srv',
  'sys',
  'tmp',
  'usr',
  'var',
];

export function leftOutPaths(layer: Pick<RunLayer, 'keep' | 'leaveOut'>): string[] {
  if (layer.keep === '/') return [...neverKept, ...layer.leaveOut.map((path) => `/${path}`)];
  const kept = layer.keep.split('/')[1];
  const others = topFolders.filter((name) => name !== kept).map((name) => `/${name}`);
  return [...others, ...layer.leaveOut.map((path) => `${layer.keep}/${path}`)];
}
