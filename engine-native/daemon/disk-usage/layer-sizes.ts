// How much of each image is its own and how much it shares with others; a layer counts once, however many images have it. Pure.

export interface LayerSizes {
  /** Bytes of all layers that images name. */
  total: number;
  /** Bytes of an image's layers that another image has too, by image id. */
  shared: Map<string, number>;
}

export function layerSizes(
  images: { id: string; diffIds: readonly string[] }[],
  bytesOf: (diffId: string) => number,
): LayerSizes {
  const users = new Map<string, Set<string>>();
  for (const { id, diffIds } of images) {
    for (const diffId of diffIds) users.set(diffId, (users.get(diffId) ?? new Set()).add(id));
  }
  const sum = (diffIds: Iterable<string>) => [...diffIds].reduce((all, diffId) => all + bytesOf(diffId), 0);
  const shared = images.map(({ id, diffIds }): [string, number] => [
    id,
    sum(diffIds.filter((diffId) => (users.get(diffId)?.size ?? 0) > 1)),
  ]);
  return { total: sum(users.keys()), shared: new Map(shared) };
}
