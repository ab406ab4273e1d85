// The versions of the run stack that the engine has: the one that new images stand on, and earlier ones that images still stand on.
// Used by rebase-image.ts and drop-old-stacks.ts. Read-only.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import stackRecipe from '../../infra/stacks/debian-13/recipe.json' with { type: 'json' };

export interface StackVersion {
  /** "berth/stack:13-0123456789ab": names the layer. */
  tag: string;
  /** The stack is one layer. */
  layer: string;
  /** When its packages were fetched. */
  created: string | undefined;
  isNewest: boolean;
}

export type StackReader = Pick<EngineClient, 'inspectImage' | 'listImages'>;

export async function stackVersions(engine: StackReader): Promise<StackVersion[]> {
  const { tag: newestTag } = stackRecipe.run;
  const [newest, images] = await Promise.all([engine.inspectImage(newestTag), engine.listImages()]);
  const isVersion = (tag: string) => tag.startsWith(`${newestTag}-`) && /-[0-9a-f]{12}$/.test(tag);
  const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter(isVersion);
  const versions = await Promise.all(
    tags.map(async (tag) => {
      const image = await engine.inspectImage(tag);
      const [layer] = image?.RootFS.Layers ?? [];
      if (layer === undefined) return [];
      return [{ tag, layer, created: image?.Created, isNewest: layer === newest?.RootFS.Layers[0] }];
    }),
  );
  return versions.flat();
}
