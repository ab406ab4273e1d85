// What the steps of one build share. Shapes only; run-build.ts fills it, make-layers.ts and run-step.ts use it.
import type { EngineClient } from '@berth/clients/engine-client.ts';
import type { BuildLimits } from '../config.ts';
import type { LayerRecords } from '../layer-records.ts';
import type { PlatformNode } from '../platform-node.ts';
import type { BuildLog } from '../report/build-log.ts';
import type { GitObjects } from '../source/git-objects.ts';
import type { SourceTree } from '../source/source-tree.ts';
import type { BuildSources } from '../sources.ts';
import type { Stack } from './stack.ts';

/** Times inside our own layers where no commit's time applies: Cloud Native Buildpacks' constant, later than any tool's lower bound. */
export const fixedMtime = 315_532_801;

export interface LayerWork {
  engine: EngineClient;
  records: LayerRecords;
  platformNode: PlatformNode;
  runner: StepRunner;
  stack: Stack;
  tree: SourceTree;
  objects: GitObjects;
  commitTime: number;
  appId: string;
  /** Layers of the app are made anew, whatever was made before; those of the platform are not. */
  noCache: boolean;
  vars: Readonly<Record<string, string>>;
  varsSecret: Uint8Array;
  log: BuildLog;
  signal: AbortSignal;
}

export interface MadeLayer {
  id: string;
  diffId: string;
  /** What keys of layers above see of it. */
  identity: string;
  cached: boolean;
  /** How long it took to make or to find. */
  seconds?: number;
}

export interface StepRunner {
  limits: BuildLimits;
  sources: BuildSources;
  /** Where folders that outlive a build are kept. */
  cacheDir: string;
  /** The same for layers that are everybody's. */
  downloadsDir: string;
  /** Archives of stacks. */
  stacksDir: string;
  buildId: string;
  /** Counts the output; ends the build when it is too much. */
  onBytes: (bytes: number) => void;
}
