// Deployed images go when no release needs them. Called before the engine drops old images (prune-images.ts).
import type { EngineClient } from '@berth/clients/engine-client.ts';
import { heldRepository } from './find-image.ts';

export async function dropDeployedImages(
  engine: Pick<EngineClient, 'listImages' | 'removeImage'>,
  keptImages: readonly string[],
): Promise<void> {
  const kept = new Set(keptImages);
  const unneeded = (await engine.listImages()).filter(({ Id }) => !kept.has(Id));
  const names = unneeded.flatMap(({ RepoTags }) => RepoTags ?? []);
  for (const name of names) if (name.startsWith(`${heldRepository}:`)) await engine.removeImage(name);
}
