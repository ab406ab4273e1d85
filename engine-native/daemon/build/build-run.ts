// One build while it runs: its parts of the daemon, its context, secrets, folders and other stages. Made by build-image.ts, read by all steps.
import type { CommitParts } from '../containers/commit-container.ts';
import type { CreateParts } from '../containers/create-container.ts';
import type { RemoveParts } from '../containers/remove-container.ts';
import type { StartParts } from '../containers/start-container.ts';
import type { GarbageParts } from '../images/collect-garbage.ts';
import type { KeptImages } from '../images/kept-images.ts';
import type { LayerStore } from '../images/layer-store.ts';
import type { Progress } from '../images/progress.ts';
import type { PullParts } from '../images/pull-image.ts';
import type { BuildContext } from './build-context.ts';
import type { BuildOptions } from './build-options.ts';
import type { TextSink } from './build-output.ts';
import type { BuildSources } from './build-sources.ts';
import type { CacheMounts } from './cache-mounts.ts';
import type { StageState } from './stage-state.ts';
import type { StepCache } from './step-cache.ts';
import type { TreeFolders } from './tree.ts';
import type { BuildVariables } from './variable-scope.ts';

export interface BuildParts
  extends CreateParts,
    StartParts,
    RemoveParts,
    CommitParts,
    PullParts,
    GarbageParts {
  kept: KeptImages;
  steps: StepCache;
  cacheMounts: CacheMounts;
  /** RUN/build: on tmpfs, for secrets. */
  secretsDir: string;
}

/** What COPY --from and RUN --mount=from read: an earlier stage, or an image. */
export interface SourceImage {
  folders: TreeFolders;
  label: string;
  /** Of everything in it. */
  key: string;
}

/** For clients of ours, after the last line of the build. */
export interface StepTiming {
  stage: number;
  /** The instruction on one line. */
  text: string;
  seconds: number;
  cached: boolean;
  layer?: string;
}

export interface BuildRun {
  id: string;
  parts: BuildParts;
  options: BuildOptions;
  context: BuildContext;
  variables: BuildVariables;
  secrets: ReadonlyMap<string, Buffer>;
  sources: BuildSources;
  /** What each step took, in the order they ended. */
  timings: StepTiming[];
  /** Below ROOT, gone with the build. */
  scratch: string;
  /** A new name in scratch. */
  scratchPath: (what: string) => string;
  /** Part of every key: builds of another scope share no cached step and no cache mount. */
  scope: string;
  signal: AbortSignal;
  /** X-Registry-Config, as the client sent it. */
  credentials: string;
  /** Lines about pulls. */
  progress: Progress;
  /** Keeps layers from the garbage collection until the build is over. */
  hold: (diffIds: Iterable<string>) => void;
  /** A stage by name or number as `before` may use it, or an image. */
  source: (from: string, before: number) => Promise<SourceImage>;
}

/** Where a step stands. */
export interface StepPlace {
  run: BuildRun;
  state: StageState;
  log: TextSink;
  stageIndex: number;
}

/** Topmost first, as overlays want them. */
export function foldersOf(state: { layers: string[] }, layers: LayerStore): TreeFolders {
  return state.layers.map((diffId) => layers.diffDir(diffId)).reverse();
}

export function secondsSince(begunMs: number): number {
  return Math.round(performance.now() - begunMs) / 1000;
}
