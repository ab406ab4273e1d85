// Earlier versions of the stack go when nothing that is kept stands on them. Called before the engine drops old images (prune-images.ts).
// Must never drop the newest.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { type StackReader, stackVersions } from './stack-versions.ts';

/** The tags that were dropped. `keptImages` that are not on this host hold nothing. */
export async function dropOldStacks(
  engine: StackReader & Pick<EngineClient, 'removeImage'>,
  keptImages: readonly string[],
): Promise<string[]> {
  const old = (await stackVersions(engine)).filter(({ isNewest }) => !isNewest);
  if (old.length === 0) return [];
  const kept = await Promise.all(keptImages.map((image) => engine.inspectImage(image)));
  const needed = new Set(kept.map((image) => image?.RootFS.Layers[0]));
  const dropped = old.filter(({ layer }) => !needed.has(layer)).map(({ tag }) => tag);
  for (const tag of dropped) await engine.removeImage(tag);
  return dropped;
}
