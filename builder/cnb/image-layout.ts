// Images as the lifecycle reads them from a folder (OCI image layout), without the bytes of their layers: it needs their digests and labels.
// Pure; run-phases.ts puts the files into the analyzer's and the exporter's containers.
import { createHash } from 'node:crypto';
import type { ImageDetail } from '@berth/clients/engine-types.ts';

/** Where the containers have the layouts. */
export const layoutFolder = '/berth/images';

/** Names that only this build's containers know: a folder each below `layoutFolder`. */
export const layoutNames = {
  run: 'berth.internal/run:image',
  previous: 'berth.internal/app:previous',
  built: 'berth.internal/app:built',
} as const;

export interface LayoutFile {
  path: string;
  mode: number;
  content: Buffer;
}

export function layoutPath(name: string): string {
  return `${layoutFolder}/${name.replace(':', '/')}`;
}

/** `sizes`: bytes of the layers' tars, in their order. */
export function sparseLayout(name: string, image: ImageDetail, sizes: readonly number[]): LayoutFile[] {
  const folder = layoutPath(name).slice(1);
  const { Layers } = image.RootFS;
  const config = blob({
    architecture: image.Architecture,
    os: 'linux',
    created: image.Created ?? '1980-01-01T00:00:01Z',
    config: image.Config,
    rootfs: { type: 'layers', diff_ids: Layers },
    // One entry a layer: the lifecycle looks the entry of a layer up that it takes over.
    history: Layers.map(() => ({ created: '1980-01-01T00:00:01Z' })),
  });
  const manifest = blob({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config.descriptor },
    layers: Layers.map((digest, index) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size: sizes[index] ?? 0,
    })),
  });
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest.descriptor }],
  };
  const blobs = [config, manifest].map(({ descriptor, content }) => ({
    path: `${folder}/blobs/sha256/${descriptor.digest.slice('sha256:'.length)}`,
    mode: 0o644,
    content,
  }));
  return [
    ...blobs,
    { path: `${folder}/index.json`, mode: 0o644, content: Buffer.from(JSON.stringify(index)) },
    {
      path: `${folder}/oci-layout`,
      mode: 0o644,
      content: Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' })),
    },
  ];
}

function blob(value: unknown): { descriptor: { digest: string; size: number }; content: Buffer } {
  const content = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { descriptor: { digest, size: content.length }, content };
}
