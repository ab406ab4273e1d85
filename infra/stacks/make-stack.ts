// Makes a stack image out of Debian's packages and hands it to the engine; nothing to do when the engine has it already.
// `node infra/stacks/make-stack.ts --engine SOCKET [--cache FOLDER] [--variant run|build] [--update]`; the supervisor runs it once the engine is up,
// the builder calls makeStack when a plan asks for a variant that is not there.
import { createReadStream, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import recipe from './debian-13/recipe.json' with { type: 'json' };
import { type StackArchives, stackArchives } from './stack-archive.ts';
import { type StackVariant, stackImageConfig, stackKey } from './stack-recipe.ts';

/** Where the archives lie when nobody says otherwise: shared by the platforms of a machine. */
export const stackCache = '/var/cache/berth/stacks';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string' },
      cache: { type: 'string' },
      variant: { type: 'string' },
      update: { type: 'boolean', default: false },
    },
  });
  const { engine: socket, cache = stackCache, variant = 'run' } = values;
  if (!socket || (variant !== 'run' && variant !== 'build'))
    throw new AppError(
      'bad_request',
      'usage: make-stack.ts --engine SOCKET [--cache FOLDER] [--variant run|build] [--update]',
    );
  const begun = performance.now();
  const engine = new EngineClient(socket);
  try {
    const made = await makeStack(engine, cache, variant, {
      isUpdate: values.update,
      onMake: (from) => {
        if (from === 'packages')
          console.log("       making the stack image from Debian's packages, once on this machine");
      },
    });
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    const { tag } = recipe[variant];
    console.log(
      made === 'present' ? `       ${tag} up to date` : `-----> stack image ${tag} ${made} ${seconds} s`,
    );
  } finally {
    engine.close();
  }
}

/** bootstrapped: out of packages. loaded: from the machine's archive. present: the engine had it. */
export async function makeStack(
  engine: EngineClient,
  cacheDir: string,
  variant: StackVariant = 'run',
  options: { isUpdate?: boolean; onMake?: (from: 'archive' | 'packages') => void } = {},
): Promise<'present' | 'loaded' | 'bootstrapped'> {
  const { isUpdate = false, onMake = () => {} } = options;
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const key = stackKey(recipe, variant, arch);
  const present = await engine.inspectImage(recipe[variant].tag);
  if (!isUpdate && present?.Config.Labels?.['berth.stack'] === key) return 'present';
  let from: 'archive' | 'packages' = 'archive';
  const archives = await stackArchives({ recipe, variant, arch, key, isUpdate }, cacheDir, () => {
    from = 'packages';
    onMake(from);
  });
  if (from === 'archive') onMake(from);
  await loadStack(engine, variant, archives, { arch, key });
  return from === 'archive' ? 'loaded' : 'bootstrapped';
}

/** Hands the archives to the engine. The run image has a second tag that names its layer, so that images on it can be told from newer ones. */
export async function loadStack(
  engine: EngineClient,
  variant: StackVariant,
  { tar, toolsTar }: StackArchives,
  { arch, key }: { arch: string; key: string },
): Promise<void> {
  const { tag } = recipe[variant];
  const config = stackImageConfig(arch, key, statSync(tar).mtime);
  const load = async (file: string) =>
    (await engine.makeLayer(createReadStream(file, { highWaterMark: 1024 * 1024 }))).diffId;
  const layer = await load(tar);
  if (toolsTar === undefined) {
    await engine.makeImage({ config, layers: [layer], tags: [tag] });
    return;
  }
  const { toolsTag } = recipe.run;
  await engine.makeImage({ config, layers: [layer, await load(toolsTar)], tags: [toolsTag] });
  const version = `${tag}-${layer.slice('sha256:'.length, 'sha256:'.length + 12)}`;
  await engine.makeImage({ config, layers: [layer], tags: [tag, version] });
}

if (import.meta.main) {
  try {
    await main();
  } catch (thrown) {
    const error = asAppError(thrown);
    console.error([error.message, error.detail, error.hint].filter(Boolean).join('\n'));
    process.exitCode = 1;
  }
}
