// What the builder holds for its whole life, and what belongs to one build while it runs. Shapes only.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { ImageDocuments } from '@berth/clients/image-documents.ts';
import type { BuildStep, StartedBuild } from '@berth/contract/build.ts';
import type { Logger } from '@berth/kit/logging.ts';
import type { AttestedSource } from './attest/attest-build.ts';
import type { BuilderConfig } from './config.ts';
import type { ControllerApi } from './controller-api.ts';
import type { LayerRecords } from './layer-records.ts';
import type { AppManifest } from './manifest/app-manifest.ts';
import type { Choice } from './plan/choose-drivers.ts';
import type { PlatformNode } from './platform-node.ts';
import type { BuildLog } from './report/build-log.ts';
import type { GitObjects } from './source/git-objects.ts';
import type { SourceTree } from './source/source-tree.ts';
import type { BuildSources } from './sources.ts';

export interface Workshop {
  config: BuilderConfig;
  controller: ControllerApi;
  engine: EngineClient;
  /** What the engine keeps about images. */
  documents: ImageDocuments;
  records: LayerRecords;
  platformNode: PlatformNode;
  sources: BuildSources;
  varsSecret: Uint8Array;
  log: Logger;
  /** Aborts when the process ends: builds stop and report nothing, the next life of the builder starts them anew. */
  stopping: AbortSignal;
}

export interface CurrentBuild {
  build: StartedBuild;
  log: BuildLog;
  abort: AbortController;
  /** Set when nothing may be reported any more: another worker has the build, or this one ends. */
  isStale: boolean;
  steps: BuildStep[];
  /** Config vars that the manifest brings, made at the first attempt: secret. */
  newVars?: Record<string, string>;
  /** What SBOM and provenance need of the tree; absent when no tree was built. */
  attested?: AttestedSource | undefined;
}

/** What every kind of builder is given: the tree to build and why it is the one. */
export interface BuildSource {
  tree: SourceTree;
  objects: GitObjects;
  /** Seconds since 1970. */
  commitTime: number;
  choice: Choice;
  /** What berth.toml, app.json and Procfile say. */
  manifest: AppManifest;
  /** What was set outside of the tree and changes the image: part of its key. */
  configuration: readonly unknown[];
}
