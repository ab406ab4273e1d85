// Where manifests come from that no repository of ours holds: the engine's own images (engine-images.ts), and other registries behind
// this one (proxy-cache.ts). Only shapes; asked by the routes for pulls.
export interface UpstreamManifest {
  digest: string;
  mediaType: string;
  text: string;
  /** Blobs that may be read in that repository from now on. */
  references: string[];
}

/** As a listing of referrers gives it. */
export interface Referrer {
  mediaType: string;
  size: number;
  digest: string;
  artifactType?: string;
  annotations?: Record<string, string>;
}

/** Images that can be had beside the repositories; what it gives lies in the blob store by then. */
export interface Upstream {
  /** By tag or digest; undefined when it has none. `client` is what the other side calls itself. */
  manifest(name: string, reference: string, client: string): Promise<UpstreamManifest | undefined>;
  tags(name: string): string[];
  /** What refers to a manifest that it gave. */
  referrers(name: string, subject: string): Referrer[];
  /** True when a manifest it gave for that repository names the blob. */
  names(name: string, digest: string): boolean;
}

/** Repositories of another registry that are kept here. */
export interface ProxiedRepositories {
  /** True for a repository that stands for another registry's: nobody pushes to it. */
  isProxied(name: string): boolean;
  /** Brings what is asked for into the repository of that name, when it is not there or may be old. */
  refresh(name: string, reference: string): Promise<void>;
  /** Drops what nobody has asked for in a long time. */
  upkeep(): Promise<void>;
}

export const noUpstream: Upstream = {
  manifest: async () => undefined,
  tags: () => [],
  referrers: () => [],
  names: () => false,
};
export const noProxy: ProxiedRepositories = {
  isProxied: () => false,
  refresh: async () => {},
  upkeep: async () => {},
};
