// Where manifests come from that no repository of ours holds: the engine's own images, or another registry behind this one.
// Asked by the routes for pulls, after the repositories; what it gives lies in the blob store by then.
export interface UpstreamManifest {
  digest: string;
  mediaType: string;
  size: number;
  /** Blobs that may be read in that repository from now on. */
  references: string[];
}

export interface Upstream {
  /** By tag or digest; undefined when it has none. */
  manifest(name: string, reference: string): Promise<UpstreamManifest | undefined>;
  /** True when a manifest it gave for that repository names the blob. */
  names(name: string, digest: string): boolean;
}

export const noUpstream: Upstream = { manifest: async () => undefined, names: () => false };
