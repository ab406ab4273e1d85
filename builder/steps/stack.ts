// The stack images that all layers stand on: the run image, made at `berth up`, and its build variant, made here when a build first needs a compiler.
// Must never change the run image.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError } from '@berth/kit/errors.ts';
import stackRecipe from '../../infra/stacks/debian-13/recipe.json' with { type: 'json' };
import type { BuildLimits } from '../config.ts';
import { baseImageConfig } from '../image.ts';
import { digest } from '../keys.ts';
import type { LayerRecords } from '../layer-records.ts';
import type { BuildSources } from '../sources.ts';
import { discardContainer } from './prepare-engine.ts';
import { runContainer } from './run-container.ts';

export interface Stack {
  id: string;
  /** Bottom first. */
  layers: readonly string[];
}

export interface StackMaker {
  engine: EngineClient;
  records: LayerRecords;
  sources: BuildSources;
  limits: BuildLimits;
  arch: 'x64' | 'arm64';
}

/** Compilers and their headers need more room than most builds. */
const variantDiskBytes = 4 * 1024 * 1024 * 1024;
const variantMemoryBytes = 1024 * 1024 * 1024;
/** A mirror that hangs must not hold every build that needs a compiler. */
const variantLimitMs = 10 * 60_000;

export async function runStack(engine: EngineClient): Promise<Stack> {
  const image = await engine.inspectImage(stackRecipe.tag);
  if (!image)
    throw new AppError('build_failed', `the stack image "${stackRecipe.tag}" is not there`, {
      hint: 'the operator makes it with "npm run up"',
    });
  return { id: image.Id, layers: image.RootFS.Layers };
}

/**
 * The run image plus compilers, Python, git. Takes a minute the first time; `onMake` is told then. Ending the build that needs it first
 * does not end the making: the next build shall find it.
 */
export async function buildStack(
  maker: StackMaker,
  run: Stack,
  watch: { signal: AbortSignal; onMake: () => void },
): Promise<Stack> {
  const key = digest(['build-stack', run.id, stackRecipe.buildPackages]);
  const known = maker.records.find(key);
  if (known !== undefined && (await maker.engine.hasLayer(known))) return variantOf(run, known);
  watch.onMake();
  const making = maker.records.exclusively(key, () => makeVariant(maker, run, key));
  making.catch(() => {}); // whoever still waits is told below
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(watch.signal.reason);
  watch.signal.addEventListener('abort', onAbort, { once: true });
  if (watch.signal.aborted) onAbort();
  try {
    return await Promise.race([making, aborted]);
  } finally {
    watch.signal.removeEventListener('abort', onAbort);
  }
}

function variantOf(run: Stack, diffId: string): Stack {
  return { id: `${run.id}+${diffId}`, layers: [...run.layers, diffId] };
}

async function makeVariant(maker: StackMaker, run: Stack, key: string): Promise<Stack> {
  const { engine, records, arch } = maker;
  const meanwhile = records.find(key);
  if (meanwhile !== undefined && (await engine.hasLayer(meanwhile))) return variantOf(run, meanwhile);
  const diffId = await installPackages(maker, run);
  const { layers, id } = variantOf(run, diffId);
  await engine.makeImage({ config: baseImageConfig(arch), layers, tags: [stackRecipe.buildTag] });
  records.remember(key, diffId);
  return { id, layers };
}

async function installPackages(maker: StackMaker, run: Stack): Promise<string> {
  const { engine, sources, limits, arch } = maker;
  const image = await engine.makeImage({ config: baseImageConfig(arch), layers: run.layers });
  let container: string | undefined;
  try {
    const end = await runContainer(
      engine,
      {
        image,
        script: installScript,
        user: 'root',
        env: {
          ...sources.env,
          PACKAGES: stackRecipe.buildPackages.join(' '),
          DEBIAN_FRONTEND: 'noninteractive',
        },
        binds: sources.binds,
        labels: { 'berth.build': 'platform', 'berth.step': 'build-stack' },
        userns: 'build-platform',
        workingDir: '/',
      },
      {
        limits: { ...limits, diskBytes: variantDiskBytes, memoryBytes: variantMemoryBytes },
        signal: AbortSignal.timeout(variantLimitMs),
        onLine: () => {},
        onBytes: () => {},
        onCreated: (id) => {
          container = id;
        },
      },
    );
    if (end.exitCode !== 0 || container === undefined)
      throw new AppError('build_failed', 'the compilers for native packages cannot be installed', {
        detail: end.tail.slice(-2000),
        hint: 'the host must reach its Debian mirror; push again when it does',
      });
    const layer = await engine.commitLayer(container, { mtime: 0, exclude: installLeftOut });
    return layer.diffId;
  } finally {
    await discardContainer(engine, container);
  }
}

/** $PACKAGES is a list of words out of the recipe. */
const installScript = `
apt-get -qq update
apt-get -qq install -y --no-install-recommends $PACKAGES
apt-get -qq clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /var/cache/debconf/*-old
`;

const installLeftOut = [
  '/dev',
  '/proc',
  '/sys',
  '/run',
  '/tmp',
  '/root',
  '/etc/hosts',
  '/etc/hostname',
  '/etc/resolv.conf',
  '/etc/ssl/certs/ca-certificates.crt',
];
