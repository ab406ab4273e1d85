// An earlier build of the app with the same key, if its image is still on this host.
import type { BuildResult, StartedBuild } from '@berth/contract/build.ts';
import type { Workshop } from './current-build.ts';

export async function reusableImage(
  shop: Workshop,
  build: StartedBuild,
  key: string,
): Promise<{ number: number; result: BuildResult } | undefined> {
  if (build.noCache) return undefined;
  const known = await shop.controller.findByKey(build.appId, key);
  if (!known) return undefined;
  return (await shop.engine.inspectImage(known.result.image)) ? known : undefined;
}
