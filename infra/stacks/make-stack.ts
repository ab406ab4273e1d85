// Makes a stack image out of Debian's packages and hands it to the engine; nothing to do when the engine has it already.
// `node infra/stacks/make-stack.ts --engine SOCKET --cache FOLDER [--variant run|build]`; the supervisor runs it once the engine is up,
// the builder calls makeStack when a plan asks for a variant that is not there.
import { createReadStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { EngineClient } from '@berth/clients/engine-client.ts';
import { AppError, asAppError } from '@berth/kit/errors.ts';
import recipe from './debian-13/recipe.json' with { type: 'json' };
import { stackArchives } from './stack-archive.ts';
import { type StackVariant, stackImageConfig, stackKey } from './stack-recipe.ts';

/** Where the archives lie when nobody says otherwise: shared by the platforms of a machine. */
export const stackCache = '/var/cache/berth/stacks';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { engine: { type: 'string' }, cache: { type: 'string' }, variant: { type: 'string' } },
  });
  const { engine: socket, cache = stackCache, variant = 'run' } = values;
  if (!socket || (variant !== 'run' && variant !== 'build'))
    throw new AppError(
      'bad_request',
      'usage: make-stack.ts --engine SOCKET [--cache FOLDER] [--variant run|build]',
    );
  const begun = performance.now();
  const engine = new EngineClient(socket);
  try {
    const made = await makeStack(engine, cache, variant, {
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
  { onMake = () => {} }: { onMake?: (from: 'archive' | 'packages') => void } = {},
): Promise<'present' | 'loaded' | 'bootstrapped'> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const { tag } = recipe[variant];
  const key = stackKey(recipe, variant, arch);
  const present = await engine.inspectImage(tag);
  if (present?.Config.Labels?.['berth.stack'] === key) return 'present';
  let from: 'archive' | 'packages' = 'archive';
  const { tar, toolsTar } = await stackArchives({ recipe, variant, arch, key }, cacheDir, () => {
    from = 'packages';
    onMake(from);
  });
  if (from === 'archive') onMake(from);
  const config = stackImageConfig(arch, key);
  const load = async (file: string) =>
    (await engine.makeLayer(createReadStream(file, { highWaterMark: 1024 * 1024 }))).diffId;
  const layers = [await load(tar)];
  if (toolsTar !== undefined)
    await engine.makeImage({
      config,
      layers: [...layers, await load(toolsTar)],
      tags: [recipe.run.toolsTag],
    });
  await engine.makeImage({ config, layers, tags: [tag] });
  return from === 'archive' ? 'loaded' : 'bootstrapped';
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
