// The layers of an image as `berth builds:info` shows them. A layer's size never changes, so each is asked for once.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { BuildLayer } from '@berth/contract/build.ts';

const known = new Map<string, number>();
/** Far more layers than a host keeps; forgetting them costs a question each. */
const maxKnown = 20_000;

export async function withSizes(
  engine: Pick<EngineClient, 'layerInfo'>,
  layers: readonly Omit<BuildLayer, 'sizeBytes'>[],
): Promise<BuildLayer[]> {
  return Promise.all(
    layers.map(async (layer) => ({ ...layer, sizeBytes: await sizeOf(engine, layer.diffId) })),
  );
}

async function sizeOf(engine: Pick<EngineClient, 'layerInfo'>, diffId: string): Promise<number> {
  const before = known.get(diffId);
  if (before !== undefined) return before;
  const { bytes } = await engine.layerInfo(diffId);
  if (known.size >= maxKnown) known.clear();
  known.set(diffId, bytes);
  return bytes;
}

/** The layers of the stack by name: "stack", or "stack 1", "stack 2" when there are several. */
export function stackLayers(diffIds: readonly string[]): Omit<BuildLayer, 'sizeBytes'>[] {
  return diffIds.map((diffId, index) => ({
    name: diffIds.length === 1 ? 'stack' : `stack ${index + 1}`,
    diffId,
    cached: true,
  }));
}
