// One build of a Dockerfile by the engine: what it is given, its lines to the log, its image and what each step took.
// Called by build-from-dockerfile.ts. Config vars enter only as the secrets that berth.toml names: an argument ends up in the image's history.
import type { BuildLine, DockerfileStep } from '@berth/clients/engine-types.ts';
import type { StartedBuild } from '@berth/contract/build.ts';
import { AppError } from '@berth/kit/errors.ts';
import type { BuildSource, CurrentBuild, Workshop } from '../current-build.ts';
import { OutputLines } from '../report/output-lines.ts';
import { printedTooMuch } from '../report/printed-too-much.ts';
import { sourceTar } from '../source/source-layer.ts';
import { dockerfileSources } from '../sources.ts';
import { buildNetwork } from '../steps/run-container.ts';

export interface EngineBuild {
  image: string;
  steps: DockerfileStep[];
}

export async function runEngineBuild(
  shop: Workshop,
  current: CurrentBuild,
  { tree, objects, choice, manifest }: BuildSource,
  chosen: {
    /** What stands in for images that the Dockerfile names. */
    images: Readonly<Record<string, string>>;
    args: Readonly<Record<string, string>>;
  },
): Promise<EngineBuild> {
  const { build, log, abort } = current;
  const { limits } = shop.config;
  const { target, secrets = [] } = manifest.build;
  const lines = shop.engine.buildImage(sourceTar(objects, tree, [], ''), {
    buildArgs: { ...chosen.args },
    ...(choice.builder === 'dockerfile' ? { dockerfile: choice.dockerfile } : {}),
    ...(target === undefined ? {} : { target }),
    secrets: secretsOf(secrets, build.buildVars),
    sources: { ...dockerfileSources(shop.sources), images: chosen.images },
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
  const built: EngineBuild = { image: '', steps: [] };
  let printed = 0;
  for await (const line of lines) {
    abort.signal.throwIfAborted();
    built.image = line.aux?.ID ?? built.image;
    built.steps = line.steps ?? built.steps;
    if (line.error !== undefined) throw buildFailure(line);
    const text = line.stream ?? '';
    printed += text.length;
    if (printed > limits.logBytes) abort.abort(printedTooMuch(limits.logBytes));
    for (const each of output.push(Buffer.from(text))) say(log, each);
  }
  for (const each of output.end()) say(log, each);
  if (built.image === '') throw new AppError('unavailable', 'the engine ended the build without an image');
  return built;
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
      { hint: `berth config:set ${missing.map((name) => `${name}=…`).join(' ')}` },
    );
  const secrets = Object.fromEntries(names.map((name) => [name, vars[name] ?? '']));
  if (Buffer.byteLength(Object.values(secrets).join('')) > maxSecretBytes)
    throw new AppError(
      'invalid',
      `the secrets of the build are longer than ${maxSecretBytes} bytes together`,
      { hint: 'give the build a token, and have it fetch the rest' },
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
  if (isOwnLabel(line.replace(/^Step \d+\/\d+ : /, ''))) return;
  const text = line.replace(/Removing intermediate container [0-9a-f]{12}$/, '');
  if (/^Step \d+\/\d+ : /.test(text)) log.step(text);
  else if (text !== '' && !/^ ---> |^Successfully built /.test(text)) log.detail(text);
}

export function isOwnLabel(instruction: string): boolean {
  return instruction.startsWith('LABEL berth.app=');
}

function buildFailure({ error = '' }: BuildLine): AppError {
  return new AppError('build_failed', error.split('\n', 1)[0] ?? 'the Dockerfile does not build', {
    hint: 'the lines above say why; "docker build ." shows the same on your machine',
  });
}
