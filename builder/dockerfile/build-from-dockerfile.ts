// An app with a Dockerfile: the engine builds it, the image stays what its author made of it.
// Called by build-image.ts. Config vars never enter: what a Dockerfile does with an argument ends up in the image's history.
import type { BuildLine } from '@berth/clients/engine-types.ts';
import type { BuildResult, StartedBuild } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { portOf } from '../image.ts';
import { imageKey } from '../keys.ts';
import { withSizes } from '../layer-sizes.ts';
import { finalProcessTypes } from '../manifest/final-process-types.ts';
import { OutputLines } from '../report/output-lines.ts';
import { printedTooMuch } from '../report/printed-too-much.ts';
import { reusableImage } from '../reusable-image.ts';
import { sourceTar } from '../source/source-layer.ts';
import { buildNetwork } from '../steps/run-container.ts';

/** Raise it when the same tree would give another image. */
const driver = { name: 'dockerfile', version: 1 };
const proxies = /^(https?|no)_proxy$/i;

export async function buildFromDockerfile(
  shop: Workshop,
  current: CurrentBuild,
  source: BuildSource,
): Promise<BuildResult> {
  const { log, abort } = current;
  const { tree, configuration } = source;
  const { detected } = source.choice;
  // Nothing of ours runs it: the empty command is the image's own.
  const { processTypes, warnings: unknown } = finalProcessTypes(source.manifest, { web: '' });
  const warnings = [...unknown, ...tree.submodules.map((path) => `submodule "${path}" is left out`)];
  for (const warning of warnings) log.warning(warning);
  const key = imageKey({ tree: tree.oid, stack: [], driver, configuration, vars: '' });
  const earlier = await reusableImage(shop, current.build, key);
  if (earlier) {
    log.step(`Using the image of build ${earlier.number} (same source)`);
    return { ...earlier.result, processTypes, detected, reused: true, steps: [], warnings };
  }
  const begun = performance.now();
  const image = await runEngineBuild(shop, current, source);
  abort.signal.throwIfAborted();
  const steps = [
    { name: 'dockerfile', seconds: Math.round(performance.now() - begun) / 1000, cached: false },
  ];
  current.steps = steps;
  const { port, diffIds } = await checkImage(shop, image, processTypes);
  log.step(`Image ${image.slice(7, 19)} (port ${port})`);
  return {
    key,
    image,
    language: 'Dockerfile',
    processTypes,
    port,
    user: '',
    reused: false,
    steps,
    warnings,
    detected,
    details: [],
    layers: await withSizes(
      shop.engine,
      diffIds.map((diffId, index) => ({ name: `layer ${index + 1}`, diffId })),
    ),
  };
}

async function runEngineBuild(
  shop: Workshop,
  current: CurrentBuild,
  { tree, objects, choice, manifest }: BuildSource,
): Promise<string> {
  const { build, log, abort } = current;
  const { limits } = shop.config;
  const proxyArgs = Object.entries(shop.sources.env).filter(([name]) => proxies.test(name));
  const lines = shop.engine.buildImage(sourceTar(objects, tree, [], ''), {
    buildArgs: { ...Object.fromEntries(proxyArgs), ...manifest.build.args },
    ...(choice.builder === 'dockerfile' ? { dockerfile: choice.dockerfile } : {}),
    ...(manifest.build.target === undefined ? {} : { target: manifest.build.target }),
    secrets: secretsOf(manifest.build.secrets ?? [], build.buildVars),
    noCache: build.noCache === true,
    labels: labelsOf(build),
    memoryBytes: limits.memoryBytes,
    cpuShares: limits.cpuShares,
    diskBytes: limits.diskBytes,
    network: buildNetwork,
    scope: build.appId,
    signal: abort.signal,
  });
  const output = new OutputLines((text) => log.mask(text));
  let image = '';
  let printed = 0;
  for await (const line of lines) {
    abort.signal.throwIfAborted();
    image = line.aux?.ID ?? image;
    if (line.error !== undefined) throw buildFailure(line);
    const text = line.stream ?? '';
    printed += text.length;
    if (printed > limits.logBytes) abort.abort(printedTooMuch(limits.logBytes));
    for (const each of output.push(Buffer.from(text))) say(log, each);
  }
  for (const each of output.end()) say(log, each);
  if (image === '') throw new AppError('unavailable', 'the engine ended the build without an image');
  return image;
}

/** They travel in a header of the engine's API, which has room for 16 KiB of everything. */
const maxSecretBytes = 6 * 1024;

/** A secret that is not set would fail in the middle, or worse, not at all. */
function secretsOf(names: readonly string[], vars: Readonly<Record<string, string>>): Record<string, string> {
  const missing = names.filter((name) => vars[name] === undefined);
  if (missing.length > 0)
    throw new AppError(
      'invalid',
      `the config var for a secret of the build is not set: ${missing.join(', ')}`,
      {
        hint: `berth config:set ${missing.map((name) => `${name}=…`).join(' ')}`,
      },
    );
  const secrets = Object.fromEntries(names.map((name) => [name, vars[name] ?? '']));
  if (Buffer.byteLength(Object.values(secrets).join('')) > maxSecretBytes)
    throw new AppError(
      'invalid',
      `the secrets of the build are longer than ${maxSecretBytes} bytes together`,
      {
        hint: 'give the build a token, and have it fetch the rest',
      },
    );
  return secrets;
}

function labelsOf(build: StartedBuild): Record<string, string> {
  return {
    'org.opencontainers.image.revision': build.commit,
    'berth.app': build.appName,
    'berth.language': 'Dockerfile',
  };
}

/** Steps stand out; ids of layers and of containers help nobody here, nor do the platform's own labels. */
function say(log: CurrentBuild['log'], line: string): void {
  if (/^Step \d+\/\d+ : LABEL berth\.app=/.test(line)) return;
  if (/^Step \d+\/\d+ : /.test(line)) log.step(line);
  else if (!/^ ---> |^Removing intermediate container |^Successfully built /.test(line)) log.detail(line);
}

function buildFailure({ error = '' }: BuildLine): AppError {
  return new AppError('build_failed', error.split('\n', 1)[0] ?? 'the Dockerfile does not build', {
    hint: 'the lines above say why; "docker build ." shows the same on your machine',
  });
}

/** The port of the web process: the lowest TCP port of EXPOSE, or the platform's own. An image without a command runs nothing. */
async function checkImage(
  shop: Workshop,
  image: string,
  processTypes: Record<string, string>,
): Promise<{ port: number; diffIds: readonly string[] }> {
  const detail = await shop.engine.inspectImage(image);
  const Config = detail?.Config ?? {};
  const hasCommand = [...(Config.Entrypoint ?? []), ...(Config.Cmd ?? [])].length > 0;
  const needsOwn = Object.values(processTypes).includes('');
  if (needsOwn && !hasCommand)
    throw new AppError('invalid', 'the Dockerfile names no command', {
      hint: 'end it with CMD, or add a Procfile with a line "web: …"',
    });
  return { port: portOf(Config), diffIds: detail?.RootFS.Layers ?? [] };
}
