// The stack images that layers stand on: the run image, made at `berth up`, and its build variant, made when a plan first needs a compiler.
// Must never change an image that is there.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { makeStack } from '@berth/infra/stacks/make-stack.ts';
import { AppError } from '@berth/kit/errors.ts';
import stackRecipe from '../../infra/stacks/debian-13/recipe.json' with { type: 'json' };
import type { LayerRecords } from '../layer-records.ts';

export interface Stack {
  /** Exactly this image: changes with each update of a package. */
  id: string;
  /** What programs see of it: the same for all updates of a suite, as Debian keeps them compatible. */
  family: string;
  /** Bottom first. */
  layers: readonly string[];
}

export interface StackMaker {
  engine: EngineClient;
  records: LayerRecords;
  /** Where the machine keeps archives of stacks. */
  stacksDir: string;
}

export async function runStack(engine: EngineClient): Promise<Stack> {
  const { tag } = stackRecipe.run;
  const stack = await findStack(engine, tag);
  if (stack) return stack;
  throw new AppError('build_failed', `the stack image "${tag}" is not there`, {
    hint: 'the operator makes it with "npm run up"',
  });
}

/** The run image with apt and dpkg over it; it comes with the run image. */
export async function toolsStack(engine: EngineClient): Promise<Stack> {
  const { toolsTag } = stackRecipe.run;
  const stack = await findStack(engine, toolsTag);
  if (stack) return stack;
  throw new AppError('build_failed', `the stack image "${toolsTag}" is not there`, {
    hint: 'the operator makes it with "npm run up"',
  });
}

async function findStack(engine: EngineClient, tag: string): Promise<Stack | undefined> {
  const image = await engine.inspectImage(tag);
  return image && { id: image.Id, family: stackRecipe.name, layers: image.RootFS.Layers };
}

/**
 * Compilers, headers, Python, Ruby, git: an image of its own, of the same suite as the run image, so that what is compiled here runs
 * there. Made when the engine does not have it (half a minute; some seconds when the machine has its archive), and `onMake` is told.
 * Ending the build that needs it first does not end the making: the next build shall find it.
 */
export async function buildStack(
  { engine, records, stacksDir }: StackMaker,
  watch: { signal: AbortSignal; onMake: () => void },
): Promise<Stack> {
  const { tag } = stackRecipe.build;
  const making = records.exclusively(`stack ${tag}`, async () => {
    await makeStack(engine, stacksDir, 'build', { onMake: watch.onMake });
    const stack = await findStack(engine, tag);
    if (!stack) throw new AppError('unavailable', `the stack image "${tag}" is gone again`);
    return stack;
  });
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
