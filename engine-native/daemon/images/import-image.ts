// `docker import`: an image of one layer out of a tar with a root filesystem. Called by POST /images/create with fromSrc.
import type { Readable } from 'node:stream';
import { hostPlatform } from '../registry-client/platform.ts';
import { applyChanges } from './config-changes.ts';
import { decompressed } from './decompress.ts';
import { type ImageDefaults, parseImageConfig } from './image-config.ts';
import type { Image, ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';

export async function importImage(
  body: Readable,
  about: { changes: readonly string[]; message: string; source: string },
  { layers, images }: { layers: LayerStore; images: ImageStore },
): Promise<Image> {
  const config = applyChanges(emptyDefaults(), about.changes); // before the body: a wrong change costs no upload
  const layer = await layers.receive(await decompressed(body), { devices: 'skip' });
  const created = new Date().toISOString();
  return images.create(
    {
      architecture: hostPlatform().architecture,
      created,
      config: withoutEmpty(config),
      history: [{ created, comment: about.message || `Imported from ${about.source}` }],
    },
    [layer.diffId],
  );
}

export function emptyDefaults(): ImageDefaults {
  return parseImageConfig({}).defaults;
}

/** What says nothing is left out of the config. */
function withoutEmpty(config: ImageDefaults): Record<string, unknown> {
  const says = (value: unknown) => {
    if (value === null || value === '') return false;
    return typeof value !== 'object' || Object.keys(value).length > 0;
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => says(value)));
}
